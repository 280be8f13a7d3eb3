"""Runs that something referred to before anybody reported them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.refusals import invalid
from registry.authentication import Principal
from runs.models import Run
from runs.models.runs import STUB
from runs.redaction import redact_text

_LONGEST_NAME = 255


@transaction.atomic
def stub_run(*, principal: Principal, version_id: int | None, reference: str, now: datetime) -> UUID:
    """Return the id of the run that an agent names; an unknown one becomes a stub.

    Leaves no entry in the trail: the decision that names the run has one. Call it before the
    locks of limits and budgets are taken: on PostgreSQL it may wait for a batch that is just
    adding this run, and that batch takes budget locks afterwards.

    Args:
        principal: the asking key.
        version_id: primary key of the live version.
        reference: the run's event id, our id, or external id.
        now: aware UTC.

    Raises:
        Invalid: the name cannot be one, or names a run of another environment.
    """
    if not 1 <= len(reference) <= _LONGEST_NAME or redact_text(reference) != reference:
        raise invalid("/run_id", "malformed", "A run's name has 1 to 255 characters and holds no secret.")
    own = Run.objects.of_agent(principal.agent_id)
    # Two columns: of many runs with this external id the database sorts these, and not whole rows.
    found = own.named(reference).values_list("pk", "environment").first()
    if found is None:
        stub = Run(
            agent_id=principal.agent_id,
            team=principal.team,
            environment=principal.environment,
            version_id=version_id,
            event_id=reference,
            started_at=now,
            received_at=now,
            last_event_at=now,
            flags={STUB: True},
        )
        # Two actions of one run may ask at once: the second insert does nothing.
        Run.objects.bulk_create([stub], ignore_conflicts=True)
        found = own.values_list("pk", "environment").get(event_id=reference)
    run_id, environment = found
    if environment != principal.environment:
        raise invalid("/run_id", "other_environment", "The run belongs to another environment than the key.")
    return run_id
