"""Reading what went in and out of a step, which is itself recorded."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.refusals import Forbidden
from audit.transitions import note
from registry.models import User
from runs.models import Payload, Step
from runs.permissions import may_break_glass, may_read_payload, may_see_run


@transaction.atomic
def read_payload(*, step: Step, by: User, now: datetime, reason: str = "") -> Payload:
    """Return a step's input and output, and record who read them.

    Args:
        step: the step.
        by: who reads.
        now: aware UTC.
        reason: why an administrator breaks the glass; not needed by the owner.

    Returns:
        The payload; both sides empty where there is none, or where it was erased.

    Raises:
        Missing: the run is not theirs to see.
        Forbidden: they see the run without its payloads, or the reason is missing.
    """
    may_see_run(by, step.run)
    kind = "payload.read"
    if not may_read_payload(by, step.run):
        if not may_break_glass(by):
            raise Forbidden("Payloads are for the agent's owner in the run's team.")
        if not reason.strip():
            raise Forbidden("Reading this payload needs a reason, which is recorded.")
        kind = "payload.break_glass"
    payload = Payload.objects.filter(step=step).first()
    details = {"run": str(step.run_id), "reason": reason.strip()[:1_000]}
    note(step, kind=kind, by=by, now=now, outcome="read" if payload else "empty", details=details)
    return payload or Payload(step=step)
