"""The hash chain over the trail: how a link is made, and how a chain is checked.

``hash = SHA-256(domain ‖ prev_hash ‖ canonical entry)``, the first ``prev_hash`` being 64
zeros. What the chain cannot show: entries written and removed before they were sealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from audit.canonical import digest_bytes, dumps
from audit.models import Entry, Seal

DOMAIN = "acp.audit.v1"
GENESIS = "0" * 64
FIELDS = (
    "actor_type", "actor_id", "on_behalf_of", "token_id", "address", "request_id", "kind", "object_type",
    "object_id", "team", "agent", "outcome", "before_digest", "after_digest", "commitment", "details",
)  # fmt: skip


class Verdict(StrEnum):
    """What a check of the trail can say; the order gives the exit codes 0 to 3."""

    INTACT = "intact"
    TAMPERED = "tampered"
    GAP = "gap"
    UNREADABLE = "unreadable"

    @property
    def exit_code(self) -> int:
        """Exit code of ``audit_verify``: intact 0, tampered 1, gap 2, unreadable 3."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        verdict: the word for it.
        seq: the last good sequence number, or the first bad one.
        detail: a sentence; empty when intact.
    """

    verdict: Verdict
    seq: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One stored seal with the canonical form of its entry (``None``: the entry is gone)."""

    seq: int
    prev_hash: str
    hash: str
    entry: dict[str, Any] | None


def as_dict(entry: Entry) -> dict[str, Any]:
    """Return the entry as the JSON object that is hashed and exported."""
    fields: dict[str, Any] = {name: getattr(entry, name) for name in FIELDS}
    fields["id"] = str(entry.id)
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return fields


def hash_link(prev_hash: str, entry: dict[str, Any]) -> str:
    """Return a link's hash as 64 hex digits."""
    return digest_bytes(DOMAIN, prev_hash.encode() + dumps(entry))


def link(prev_hash: str, entry: Entry) -> str:
    """Return the hash that seals an entry behind ``prev_hash``."""
    return hash_link(prev_hash, as_dict(entry))


def stored_links(*, chunk: int = 2000) -> Iterator[Link]:
    """Read the sealed trail in order, in constant memory.

    Args:
        chunk: how many links are read at once.
    """
    seq = 0
    while True:
        seals = list(Seal.objects.filter(seq__gt=seq).order_by("seq")[:chunk])
        if not seals:
            return
        entries = Entry.objects.in_bulk([seal.entry_id for seal in seals])
        for seal in seals:
            entry = entries.get(seal.entry_id)
            yield Link(seal.seq, seal.prev_hash, seal.hash, as_dict(entry) if entry else None)
        seq = seals[-1].seq


def exported_links(lines: Iterable[str]) -> Iterator[Link]:
    """Read links from the lines of an export (`manage.py audit_export`).

    Raises:
        ValueError, KeyError, TypeError: a line is not a link.
    """
    for line in lines:
        if line.strip():
            row = json.loads(line)
            yield Link(row["seq"], row["prev_hash"], row["hash"], row["entry"])


def seal_lag(*, now: datetime) -> timedelta:
    """Return the age of the oldest entry that waits for its seal; zero where none waits."""
    newest = Seal.objects.order_by("-seq").first()
    waiting = Entry.objects.unsealed(since=newest).order_by("pk").values_list("at", flat=True).first()
    return max(now - waiting, timedelta(0)) if waiting else timedelta(0)


def check(links: Iterable[Link]) -> Finding:
    """Check a chain from its first link on.

    Args:
        links: the links, in the order they are stored.

    Returns:
        Intact with the last sequence number, or the first thing that is wrong.
    """
    seq, prev_hash = 0, GENESIS
    try:
        for item in links:
            if item.seq != seq + 1:
                return Finding(Verdict.GAP, seq + 1, f"Expected entry {seq + 1}, found {item.seq}.")
            if item.entry is None:
                return Finding(Verdict.TAMPERED, item.seq, f"Entry {item.seq} was removed.")
            if item.prev_hash != prev_hash or item.hash != hash_link(prev_hash, item.entry):
                detail = f"Entry {item.seq} ({item.entry.get('id')}) is not what was sealed."
                return Finding(Verdict.TAMPERED, item.seq, detail)
            seq, prev_hash = item.seq, item.hash
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Finding(Verdict.UNREADABLE, seq + 1, f"Entry {seq + 1} cannot be read: {error}")
    return Finding(Verdict.INTACT, seq)
