"""Reading what a step took in and gave out; every reading is audited."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.refusals import Forbidden, Missing
from audit.transitions import note
from registry.models import User
from runs.models import Run, Step
from runs.permissions import may_read_payload


@transaction.atomic
def read_payload(*, step: Step, by: User, now: datetime) -> tuple[str, str]:
    """Return input and output of a step, and record that they were read.

    Raises:
        Missing: the run is not theirs to see.
        Forbidden: visible, but its payloads are not theirs.
    """
    run = step.run
    if not Run.objects.visible_to(by).filter(pk=run.pk).exists() and not may_read_payload(by, run):
        raise Missing
    if not may_read_payload(by, run):
        raise Forbidden("Only the owner's team may read what steps took in and gave out.")
    note(run, kind="payload.read", by=by, now=now, details={"step": str(step.pk)})
    return step.input, step.output
