"""Every write of the trail: entries, seals, verifications."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audit import chain, sql
from audit.actors import Acting
from audit.canonical import dumps
from audit.context import surroundings
from audit.ids import new_id
from audit.models import Entry, Seal, Verification

_COLUMNS = (
    "id", "at", "actor_type", "actor_id", "on_behalf_of", "token_id", "address", "request_id", "kind",
    "object_type", "object_id", "team", "agent", "outcome", "before_digest", "after_digest", "commitment",
    "details",
)  # fmt: skip
_INSERT = f"INSERT INTO audit_entry ({', '.join(_COLUMNS)}) VALUES ({sql.placeholders(len(_COLUMNS))})"  # noqa: S608
_SEAL = "INSERT INTO audit_seal (entry_id, seq, prev_hash, hash, sealed_at) VALUES (%s, %s, %s, %s, %s)"


def record(
    *,
    kind: str,
    object_type: str,
    object_id: str,
    by: Acting,
    now: datetime,
    team: str = "",
    agent: str = "",
    outcome: str = "",
    before: str = "",
    after: str = "",
    commitment: str = "",
    details: Mapping[str, Any] | None = None,
) -> uuid.UUID:
    """Add one entry to the trail, in the caller's transaction.

    Args:
        kind: what was done, dotted, for example ``agent.paused``.
        object_type: the kind of object, for example ``agent``.
        object_id: its public id.
        by: who did it.
        now: when, aware UTC.
        team: slug of the team in whose trail it belongs.
        agent: slug of the agent concerned.
        outcome: one word, for example ``allow``.
        before: digest of the object before.
        after: digest of the object after.
        commitment: `audit.canonical.commitment` of a payload.
        details: ids, revisions and reasons as JSON values; never payloads or secrets.

    Returns:
        The entry's id.
    """
    actor = by.actor
    around = surroundings()
    entry_id = new_id()
    # Raw SQL: the hot path writes one entry per decision, and an ORM insert costs six times this one.
    with sql.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                entry_id.hex, sql.stamp(now), actor.type, actor.id, actor.on_behalf_of, actor.token,
                around.address, around.request_id, kind, object_type, object_id, team, agent, outcome,
                before, after, commitment, dumps(details).decode() if details else "{}",
            ],
        )  # fmt: skip
    return entry_id


@transaction.atomic
def seal(*, now: datetime, limit: int = 2000, everything: bool = False) -> int:
    """Give unsealed entries their order and their place in the hash chain.

    One sealer works at a time. Entries are looked for in the quarter of an hour before the
    newest seal, which no write transaction outlives; `everything` looks through the whole trail.

    Args:
        now: aware UTC.
        limit: how many entries at most.
        everything: look at all entries, not only at the recent ones.

    Returns:
        How many entries were sealed.
    """
    sql.advisory_lock("audit.sealer")
    last = Seal.objects.order_by("-seq").first()
    seq, prev_hash = (last.seq, last.hash) if last else (0, chain.GENESIS)
    since = None if everything else last
    rows = []
    for entry in Entry.objects.unsealed(since=since).order_by("id")[:limit]:
        seq += 1
        link = chain.link(prev_hash, entry)
        rows.append([entry.id.hex, seq, prev_hash, link, sql.stamp(now)])
        prev_hash = link
    if rows:
        # executemany: bulk_create builds a model instance for each of what may be thousands of rows.
        with connection.cursor() as cursor:
            cursor.executemany(_SEAL, rows)
    return len(rows)


def verify(*, by: Acting, now: datetime) -> chain.Finding:
    """Check the whole trail and keep what was found.

    The check reads outside the transaction that keeps its finding: on SQLite that one shuts out
    every other writer, and a long trail takes minutes. What is read is append-only.

    Args:
        by: who asked.
        now: aware UTC.

    Returns:
        The finding: verdict, sequence number, detail.
    """
    finding = chain.check(chain.stored_links())
    with transaction.atomic():
        Verification.objects.create(at=now, verdict=finding.verdict, seq=finding.seq, detail=finding.detail)
        record(
            kind="audit.verified",
            object_type="trail",
            object_id="trail",
            by=by,
            now=now,
            outcome=finding.verdict,
            details={"seq": finding.seq},
        )
    return finding


@transaction.atomic
def note_export(*, form: str, entries: int, since: str, until: str, by: Acting, now: datetime) -> None:
    """Record that somebody takes a part of the trail along, before they get it.

    Args:
        form: ``csv`` or ``jsonl``.
        entries: how many entries.
        since: the first moment that was asked for, as text; empty for none.
        until: the first one after, likewise.
        by: who; they get what they may see.
        now: aware UTC.
    """
    record(
        kind="audit.exported",
        object_type="trail",
        object_id="trail",
        by=by,
        now=now,
        outcome=form,
        details={"entries": entries, "since": since, "until": until},
    )
