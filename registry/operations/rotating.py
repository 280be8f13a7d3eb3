"""Replacing a key by a new one, with a time in which both work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from audit.refusals import Conflict, invalid
from audit.transitions import note
from registry.models import AgentKey, User
from registry.operations.keys import issue_key
from registry.states import KeyState

LONGEST_OVERLAP: Final = timedelta(days=7)


@transaction.atomic
def rotate_key(
    *, key: AgentKey, by: User, now: datetime, overlap: timedelta = timedelta(hours=24), days: int = 90
) -> tuple[AgentKey, str]:
    """Issue a key with the scopes and environment of another, which ends after an overlap.

    Args:
        key: a live key, the only one of its agent and environment.
        by: an operator of the team, the owner, an administrator.
        now: aware UTC.
        overlap: how long the old one still works, up to 7 days.
        days: how long the new one lives.

    Returns:
        The new row, and its text, which exists nowhere else from then on.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to issue keys of.
        Invalid: overlap or days are not admitted.
        Conflict: the key is not live, or two keys are live already.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise invalid("/overlap", "out_of_range", "Both keys work together for at most 7 days.")
    new, text = issue_key(agent=key.agent, environment=key.environment, scopes=key.scopes, by=by, now=now, days=days)
    ends = min(key.expires_at, now + overlap)
    live = AgentKey.objects.live(now).filter(pk=key.pk, state=KeyState.LIVE)
    if live.update(expires_at=ends) != 1:
        raise Conflict(f"{key} is not live, so that nothing replaces it; issue another key.")
    key.expires_at = ends
    note(key, kind="key.rotated", by=by, now=now, details={"replaced_by": new.public_id, "ends": ends.isoformat()})
    return new, text
