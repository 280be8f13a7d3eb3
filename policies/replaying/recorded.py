"""Reading recorded decisions in the order of their ids, a bounded number of bytes at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from django.db import connection

from audit import sql
from audit.ids import floor_id
from policies.facts import Declared
from policies.models import SLACK
from policies.replaying.facts import Recorded, Said
from registry.amounts import AmountInvalid, Money, parse_money

# Bodies beyond this are fetched one by one, so that a thousand rows never weigh 256 MiB.
LARGE: Final = 16 * 1024
# Payloads are looked up row by row: joined, PostgreSQL reads them from the first one on for each chunk.
_OF_PAYLOAD: Final = "FROM policies_payload p WHERE p.decision_id = d.id"
_COLUMNS: Final = f"""
SELECT d.id, d.agent_id, d.team, d.environment, d.verb, d.effect, d.reasons, d.estimated_cost_nanousd, d.at,
       (SELECT CASE WHEN LENGTH(p.body) <= {LARGE} THEN p.body END {_OF_PAYLOAD}), (SELECT LENGTH(p.body) {_OF_PAYLOAD})
FROM policies_decision d
"""  # noqa: S608 - a number of ours
_WHERE: Final = "WHERE d.id > %s AND d.id < %s AND d.at >= %s AND d.at < %s AND NOT d.dry_run"
_BODY: Final = "SELECT body FROM policies_payload WHERE decision_id = %s"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose decisions are read; None and None: everybody's.

    Attributes:
        teams: slugs of teams as they were then.
        agents: keys of agents.
    """

    teams: tuple[str, ...] | None = None
    agents: tuple[int, ...] = ()

    def condition(self) -> tuple[str, list[Any]]:
        """Return the condition and its parameters."""
        if self.teams is None:
            return "", []
        parts: list[str] = []
        values: list[Any] = []
        for column, among in (("d.team", self.teams), ("d.agent_id", self.agents)):
            if among:
                parts.append(f"{column} IN ({sql.placeholders(len(among))})")
                values += among
        return f" AND ({' OR '.join(parts) or '1 = 0'})", values


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open stretch of time, aware UTC."""

    since: datetime
    until: datetime

    def first(self, after: UUID | None) -> list[Any]:
        """Return the parameters of the condition, from a decision on."""
        # Ids are made a little before the decision's own time is read.
        low = after or floor_id(self.since - SLACK)
        return [low.hex, floor_id(self.until + SLACK).hex, sql.stamp(self.since), sql.stamp(self.until)]


class _Amount(msgspec.Struct, frozen=True):
    value: str
    currency: str


class _Body(msgspec.Struct, frozen=True):
    """What of a recorded body is judged; it was read strictly when it came."""

    verb: str
    capability: str | None = None
    destination: str | None = None
    units: Annotated[int, msgspec.Meta(ge=1)] | None = None
    amount: _Amount | None = None
    payload: Any = None
    data_classes: tuple[str, ...] = ()
    data_scopes: tuple[str, ...] | None = None
    provenance: Mapping[str, str] = {}


_SAID: Final = msgspec.json.Decoder(tuple[Said, ...])
_BODIES: Final = msgspec.json.Decoder(_Body)


def count(period: Period, reach: Reach) -> int:
    """Count the decisions of a period."""
    condition, values = reach.condition()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM policies_decision d {_WHERE}{condition}",  # noqa: S608 - constants, placeholders
            [*period.first(None), *values],
        )
        return int(cursor.fetchone()[0])


def chunk(period: Period, reach: Reach, *, after: UUID | None, most: int) -> list[Recorded]:
    """Read the next decisions of a period.

    Raw SQL: model instances cost five times the reading.

    Args:
        period: which.
        reach: whose.
        after: the last one read, None for the first chunk.
        most: how many rows at most.

    Returns:
        In the order of their ids; empty at the end.
    """
    condition, values = reach.condition()
    with connection.cursor() as cursor:
        cursor.execute(f"{_COLUMNS}{_WHERE}{condition} ORDER BY d.id LIMIT %s", [*period.first(after), *values, most])
        rows = cursor.fetchall()
        large = {row[0]: None for row in rows if row[10] is not None and row[10] > LARGE}
        return [_recorded(row, _body(cursor, row[0]) if row[0] in large else row[9]) for row in rows]


def _body(cursor: Any, identity: Any) -> Any:
    cursor.execute(_BODY, [identity])
    row = cursor.fetchone()
    return row[0] if row else None


def _recorded(row: Sequence[Any], body: Any) -> Recorded:
    said = row[6]
    reasons = _SAID.decode(said) if isinstance(said, str | bytes) else msgspec.convert(said, tuple[Said, ...])
    return Recorded(
        sql.read_key(row[0]), row[1], row[2], row[3], row[4], row[5], reasons, row[7], _moment(row[8]),
        None if body is None else declared(bytes(body)),
    )  # fmt: skip


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def declared(body: bytes) -> Declared:
    """Return what an agent said, from the bytes that were kept."""
    read = _BODIES.decode(body)
    return Declared(
        verb=read.verb,
        capability=read.capability,
        destination=read.destination,
        units=read.units,
        amount=_money(read.amount),
        payload=read.payload,
        data_classes=frozenset(read.data_classes),
        data_scopes=None if read.data_scopes is None else frozenset(read.data_scopes),
        provenance=read.provenance,
    )


def _money(amount: _Amount | None) -> Money | None:
    if amount is None:
        return None
    try:
        return parse_money({"value": amount.value, "currency": amount.currency})
    except AmountInvalid:
        # It was refused when it came, and no decision was made of it.
        return None
