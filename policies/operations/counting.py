"""Counting the trail by agent and minute, each sealed entry once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from audit import sql
from audit.models import Seal
from policies.models import Counted, CountingCursor
from policies.states import Measure
from policies.triggers.trying import minute_of
from registry.models import Agent

# Longer than the history that triggers are tried on and the longest window together.
KEPT: Final = timedelta(days=38)
HISTORY: Final = timedelta(days=30)
LOCK: Final = "policies.triggers"
# Consequences of a stop: an agent that is paused and goes on asking must not keep a trigger up by it.
STANDING: Final = frozenset({"kill_switch", "agent_paused", "agent_retired"})
_READ: Final = """
SELECT s.seq, s.sealed_at, e.at, e.kind, e.outcome, e.agent, e.team, e.details
FROM audit_seal s JOIN audit_entry e ON e.id = s.entry_id
WHERE s.seq > %s AND s.seq <= %s ORDER BY s.seq
"""
# Of an agent in one minute no more is told apart (280,000 USD): whatever it reports, for as long as a window is, sums
# stay within 64 bits. SQLite fails beyond, and with it the look at all other agents.
_MOST: Final = 2**48
_ADD: Final = f"""
INSERT INTO policies_counted (measure, minute, agent_id, team, amount) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (measure, minute, agent_id, team) DO UPDATE SET amount =
CASE WHEN policies_counted.amount + excluded.amount > {_MOST} THEN {_MOST}
ELSE policies_counted.amount + excluded.amount END
"""  # noqa: S608 - a number of ours
_KINDS: Final = frozenset({"action.decided", "run.ingested", "run.updated", "run.imported", "usage.recorded"})


@transaction.atomic
def count_trail(*, now: datetime, limit: int = 5_000) -> int:
    """Count the next sealed entries. Leaves no entry: what is counted can be counted again from the trail.

    One works at a time; the cursor moves with what was counted, so nothing counts twice or never.

    Args:
        now: aware UTC.
        limit: how many entries at most.

    Returns:
        How many entries were read.
    """
    sql.advisory_lock(LOCK)
    cursor = CountingCursor.objects.first() or _begin(now)
    with connection.cursor() as reading:
        reading.execute(_READ, [cursor.seq, cursor.seq + limit])
        rows = reading.fetchall()
    if not rows:
        return 0
    amounts: defaultdict[tuple[str, datetime, str, str], int] = defaultdict(int)
    for _, _, at, kind, outcome, agent, team, details in rows:
        if kind in _KINDS and agent:
            measure, amount = _amount(kind, outcome, details)
            if amount > 0:
                amounts[measure, minute_of(sql.read_stamp(at)), agent, team] += amount
    _add(amounts)
    CountingCursor.objects.filter(pk=1).update(seq=rows[-1][0], until=sql.read_stamp(rows[-1][1]))
    return len(rows)


def _begin(now: datetime) -> CountingCursor:
    """Begin where what is kept begins; seals rise in time with their numbers."""
    earliest = now - KEPT
    newest = Seal.objects.order_by("-seq").first()
    low, high = 0, newest.seq if newest else 0
    while low < high:
        middle = (low + high + 1) // 2
        if Seal.objects.get(seq=middle).sealed_at < earliest:
            low = middle
        else:
            high = middle - 1
    return CountingCursor.objects.create(pk=1, seq=low, since=earliest, until=earliest)


def _amount(kind: str, outcome: str, details: Any) -> tuple[str, int]:
    """Return what an entry counts for."""
    if kind == "action.decided":
        if outcome != "deny":
            return "", 0
        codes = set(_read(details).get("codes", ()))
        return Measure.DENIALS, 0 if codes and codes <= STANDING else 1
    if kind == "usage.recorded":
        return Measure.SPEND, int(_read(details).get("cost_nanousd", 0))
    return Measure.FAILURES, int(_read(details).get("failures", 0))


def _read(details: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(details) if isinstance(details, str | bytes) else details
    return found


def _add(amounts: Mapping[tuple[str, datetime, str, str], int]) -> None:
    if not amounts:
        return
    slugs = {slug for _, _, slug, _ in amounts}
    keys = dict(Agent.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    values = [
        [measure, sql.stamp(minute), keys[slug], team, min(amount, _MOST)]
        for (measure, minute, slug, team), amount in sorted(amounts.items())
        if slug in keys
    ]
    # Raw SQL: Django's upsert overwrites, and these add.
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, values)


def counted_until(*, now: datetime) -> datetime:
    """Return up to when the trail is counted: now, where nothing that is sealed waits."""
    cursor = CountingCursor.objects.first()
    if cursor is None:
        return now
    return cursor.until if Seal.objects.filter(seq__gt=cursor.seq).exists() else now


@transaction.atomic
def forget_counts(*, now: datetime) -> int:
    """Delete what neither a window nor a trial reaches any more."""
    deleted, _ = Counted.objects.filter(minute__lt=now - KEPT).delete()
    return deleted
