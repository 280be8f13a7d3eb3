"""What an event looks like outside (pure): CloudEvents 1.0, with ids, kinds and digests, never a payload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from audit.models import Entry

# Of an entry's details only these go out: ids and words of ours. Reasons, names and specifications stay inside.
_DETAILS: Final = frozenset(
    {
        "decision", "approval", "revision", "digest", "result_digest", "from", "to", "effect", "threshold",
        "policy_revision", "number", "version", "expires_at", "tells", "attempts", "status",
    }
)  # fmt: skip
_LONGEST = 128
# Events about sending are not sent: each would cause the next.
UNTOLD: Final = ("delivery.", "webhook.", "channel.")


def is_told(kind: str) -> bool:
    """Say whether entries of a kind leave the house at all."""
    return not kind.startswith(UNTOLD)


def matches(kind: str, patterns: list[str]) -> bool:
    """Say whether a kind is among patterns: exact, or ``approval.*`` for a family; no patterns admit all."""
    if not patterns:
        return True
    return any(kind == each or (each.endswith(".*") and kind.startswith(each[:-1])) for each in patterns)


def cloud_event(entry: Entry, *, seq: int, source: str) -> dict[str, Any]:
    """Return the event of an entry.

    Args:
        entry: the entry.
        seq: its place in the order: receivers see gaps by it where they receive everything.
        source: address of the installation.
    """
    return {
        "specversion": "1.0",
        "id": str(entry.id),
        "source": source,
        "type": entry.kind,
        "subject": f"{entry.object_type}/{entry.object_id}",
        "time": moment(entry),
        "datacontenttype": "application/json",
        # The official extension "sequence": sorts as text.
        "sequence": f"{seq:020d}",
        "data": {
            "object": {"type": entry.object_type, "id": entry.object_id},
            "actor": {"type": entry.actor_type, "id": entry.actor_id, "on_behalf_of": entry.on_behalf_of},
            "team": entry.team,
            "agent": entry.agent,
            "outcome": entry.outcome,
            "before_digest": entry.before_digest,
            "after_digest": entry.after_digest,
            "commitment": entry.commitment,
            "request_id": entry.request_id,
            "details": _told(json.loads(entry.details)),
        },
    }


def dump(event: Mapping[str, Any]) -> str:
    """Write an event as the one text that is signed and sent."""
    return json.dumps(event, separators=(",", ":"))


def moment(entry: Entry) -> str:
    """Write the entry's time as RFC 3339, UTC."""
    return entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _told(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name in _DETAILS and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST)
