"""What is learnt once an action is over: first-seen destinations, and decisions that people call wrong."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from approvals.models import ActionRevision, ApprovalRequest, Grant, KnownDestination, Override
from approvals.models.afterwards import digest_of
from approvals.refusals import NotClosed
from approvals.states import Verdict
from audit.refusals import Invalid, Missing, Problem
from audit.transitions import note
from policies.models import Decision
from policies.states import Effect
from registry.models import User

LONGEST_REASON = 2000


def remember_destinations(*, grant: Grant, now: datetime) -> int:
    """Keep where an action succeeded, in the transaction that closes its grant, whose entry stands for it.

    Args:
        grant: succeeded just now.
        now: aware UTC.

    Returns:
        How many destinations the agent had not known.
    """
    destinations = list(dict.fromkeys(_destinations(grant)))
    known = KnownDestination.objects.of_agent(grant.agent_id, destinations)
    seen = set(known.values_list("digest", flat=True))
    rows = [
        KnownDestination(agent_id=grant.agent_id, digest=digest_of(text), destination=text, first_at=now)
        for text in destinations
        if digest_of(text) not in seen
    ]
    # Two reports of one agent may meet here: whoever is second finds the row there already.
    KnownDestination.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _destinations(grant: Grant) -> list[str]:
    """Return where the granted bytes went: those of the approved revision, which may have been edited."""
    if grant.approval_id is not None:
        revision = ActionRevision.objects.filter(request=grant.approval_id, digest=grant.digest).last()
        if revision is not None:
            return list(revision.facts["destinations"])
    return list(Decision.objects.values_list("destinations", flat=True).get(pk=grant.decision_id))


def may_override(decision: Decision, user: User) -> bool:
    """Whether the person sees the decision, or the request that it became."""
    if Decision.objects.visible_to(user).filter(pk=decision.pk).exists():
        return True
    return ApprovalRequest.objects.visible_to(user).filter(decision=decision).exists()


@transaction.atomic
def mark_override(*, decision: Decision, should: Verdict, reason: str, by: User, now: datetime) -> Override:
    """Say that a closed decision should have been another. It changes nothing but the rates of overrides.

    Args:
        decision: answered by policy, or held and closed by people.
        should: what it should have been.
        reason: why.
        by: whoever sees it; a second mark takes the place of their first.
        now: aware UTC.

    Raises:
        Missing: not theirs to see.
        NotClosed: people are still deciding.
        Invalid: no reason, or a longer one than is kept.
    """
    if not may_override(decision, by):
        raise Missing
    if not reason.strip() or len(reason) > LONGEST_REASON:
        detail = f"Give a reason, of at most {LONGEST_REASON} characters."
        raise Invalid(detail, errors=[Problem("/reason", "reason", detail)])
    if decision.effect == Effect.REVIEW and ApprovalRequest.objects.open().filter(decision=decision).exists():
        raise NotClosed("People are still deciding it; vote instead.")
    row, created = Override.objects.update_or_create(
        decision=decision, by=by, defaults={"should": should, "reason": reason, "at": now}
    )
    note(
        decision,
        kind="action.overridden" if created else "action.override_replaced",
        by=by,
        now=now,
        outcome=should,
        details={"effect": decision.effect, "reason": reason},
    )
    return row
