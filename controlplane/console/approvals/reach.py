"""How far an action reaches, and who else looks at it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from approvals.amounts import money_of
from approvals.models import ApprovalRequest, Vote
from audit.models import Entry
from controlplane.console import formats
from registry.models import User

# A soft claim: who opened the bytes so long ago is still taken to read them.
CLAIM: Final = timedelta(minutes=2)
_PEOPLE: Final = frozenset({"email", "sms", "tel"})


def reach_of(facts: Mapping[str, Any]) -> str:
    """Say where an action goes: its one destination, or how many."""
    places = facts["destinations"]
    if not places:
        return "no destination"
    return str(places[0]) if len(places) == 1 else formats.plural(len(places), "destination")


def radius_of(facts: Mapping[str, Any], *, new: int) -> str:
    """Say in one line whom and what an action reaches.

    Args:
        facts: of the revision.
        new: at how many of its destinations no action of the agent succeeded yet.
    """
    places = list(dict.fromkeys(facts["destinations"]))
    people = sum(place.partition(":")[0] in _PEOPLE for place in places)
    parts = []
    if people:
        parts.append(formats.plural(people, "person", "people"))
    if len(places) > people:
        parts.append(formats.plural(len(places) - people, "other destination" if people else "destination"))
    if new:
        parts.append(f"{new} new to this agent")
    if facts["units"] != len(facts["destinations"]):
        parts.append(formats.plural(facts["units"], "unit"))
    amount = money_of(facts)
    if amount is not None:
        parts.append(formats.amount(amount))
    parts += facts["data_classes"]
    return " · ".join(parts) or "nothing is known of whom it reaches"


def summary_of(states: Iterable[str], *, wrong: int) -> str:
    """Say how several requests ended: ``17 approved, 2 rejected; 1 called wrong afterwards``."""
    counted = Counter(states)
    text = ", ".join(f"{number} {state}" for state, number in counted.most_common())
    return f"{text}; {wrong} called wrong afterwards" if wrong else text


def read_by_now(request: ApprovalRequest, user: User, *, now: datetime) -> tuple[str, ...]:
    """Name who else opened the bytes within the last two minutes and has not voted since. It locks nobody out."""
    reads = Entry.objects.about(request.audit_type, request.audit_id).filter(kind="payload.read", at__gte=now - CLAIM)
    others = {name for name in reads.values_list("actor_id", flat=True) if name != user.username}
    if others:
        voted = Vote.objects.filter(request=request, revision=request.revision, voter__username__in=others)
        others -= set(voted.values_list("voter__username", flat=True))
    return tuple(sorted(others))
