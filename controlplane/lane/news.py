"""What happened, as server push tells it: kinds and ids out of the sealed trail, for those who may see them.

The order is the trail's own sequence, so a reader that comes back says where it was. Content stays where it is: pages
fetch it, and check permission as they always do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import close_old_connections, connection
from django.db.models import Max

from approvals.models import ApprovalRequest
from audit import sql
from audit.ids import read_id
from audit.models import Entry, Seal
from registry.models import User

# Beyond this many entries at once a reader is told that much happened, without ids.
MOST_ENTRIES = 2_000


class NewsKind(StrEnum):
    """What something was about."""

    APPROVAL = "approval"
    DECISION = "decision"
    RUN = "run"
    FAILURE = "failure"
    AGENT = "agent"
    BUDGET = "budget"


# By the trail's object types; what is not named here changes no page that listens.
_KINDS = {
    "approval": NewsKind.APPROVAL,
    "action": NewsKind.DECISION,
    "grant": NewsKind.DECISION,
    "run": NewsKind.RUN,
    "step": NewsKind.RUN,
    "failure": NewsKind.FAILURE,
    "agent": NewsKind.AGENT,
    "version": NewsKind.AGENT,
    "release": NewsKind.AGENT,
    "key": NewsKind.AGENT,
    "command": NewsKind.AGENT,
    "kill_switch": NewsKind.AGENT,
    "budget": NewsKind.BUDGET,
    "usage": NewsKind.BUDGET,
}
# Whose id is also the id of what pages show under that kind.
_NAMED = frozenset({"approval", "action", "run", "failure", "agent", "budget"})
_QUERY = """
SELECT s.seq, e.id, e.kind, e.object_type, e.object_id
FROM audit_seal s JOIN audit_entry e ON e.id = s.entry_id
WHERE s.seq > %s AND s.seq <= %s ORDER BY s.seq
"""


@dataclass(frozen=True, slots=True)
class News:
    """One entry of the trail, as far as it is told.

    Attributes:
        seq: its place in the trail.
        entry: its id.
        kind: what it is about.
        id: of the object; empty where the entry is about several, or about a part.
    """

    seq: int
    entry: UUID
    kind: NewsKind
    id: str


def newest() -> int:
    """Return the last sealed sequence number, 0 for an empty trail. Blocks."""
    close_old_connections()
    try:
        return Seal.objects.aggregate(last=Max("seq"))["last"] or 0
    finally:
        close_old_connections()


def between(after: int, until: int) -> list[News]:
    """Return what was sealed after one place, up to another. Blocks.

    Args:
        after: sequence number of the last one known.
        until: sequence number of the last one wanted.
    """
    close_old_connections()
    try:
        with connection.cursor() as cursor:
            cursor.execute(_QUERY, [after, until])
            rows = cursor.fetchall()
    finally:
        close_old_connections()
    return [news for row in rows if (news := _read(row)) is not None]


def _read(row: Sequence[Any]) -> News | None:
    seq, entry, kind, object_type, object_id = row
    # Somebody read something: nothing changed.
    if kind.startswith("payload."):
        return None
    # Reports come in batches, and the entry of a batch is about its agent.
    if kind.startswith("run.") and object_type == "agent":
        return News(seq, sql.read_key(entry), NewsKind.RUN, "")
    found = _KINDS.get(object_type)
    if found is None:
        return None
    return News(seq, sql.read_key(entry), found, object_id if object_type in _NAMED else "")


def visible(person: int, news: Sequence[News]) -> list[News]:
    """Keep what a person may see now: entries of the trail that are theirs, requests in their queues. Blocks.

    Args:
        person: primary key.
        news: at most a few thousand.
    """
    close_old_connections()
    try:
        user = User.objects.filter(pk=person, is_active=True).first()
        if user is None or not news:
            return []
        if user.sees_everything:
            return list(news)
        entries = set(
            Entry.objects.filter(pk__in=[one.entry for one in news])
            .visible_to(user)
            .order_by()
            .values_list("pk", flat=True)
        )
        hidden = {one.id for one in news if one.kind is NewsKind.APPROVAL and one.entry not in entries}
        requests = {str(pk) for pk in _held_for(user, hidden)} if hidden else set()
        return [one for one in news if one.entry in entries or (one.kind is NewsKind.APPROVAL and one.id in requests)]
    finally:
        close_old_connections()


def _held_for(user: User, ids: set[str]) -> list[UUID]:
    found = [request_id for text in ids if (request_id := read_id(text)) is not None]
    rows = ApprovalRequest.objects.filter(pk__in=found).visible_to(user)
    return list(rows.order_by().values_list("pk", flat=True))
