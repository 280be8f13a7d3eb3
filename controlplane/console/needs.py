"""What waits for a person: of every kind the most urgent, the soonest deadline on top, and how many more there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet

from approvals.models import ApprovalRequest, Grant
from approvals.states import GrantState
from controlplane.console import formats
from controlplane.console.admins import list_of, page_of
from controlplane.console.costs import BudgetRow
from controlplane.console.counting import count_up_to
from controlplane.console.registry.others import ending_soon
from costs.models import Budget
from registry.models import AgentKey, User
from registry.states import Role
from runs.models import Failure
from runs.states import FailureState

MOST_SHOWN: Final = 7
MOST_COUNTED: Final = 1_000
# What has no deadline stands where today's deadlines end.
_TODAY: Final = timedelta(hours=24)
# Each kind has a place of its own among the first, so there may be no more kinds than places. Of two that are
# equally soon the one that stands first here comes first.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "approval": ("approval", "approvals"),
    "glass": ("approval under break-glass", "approvals under break-glass"),
    "grant": ("unknown outcome", "unknown outcomes"),
    "budget": ("budget", "budgets"),
    "failure": ("failure", "failures"),
    "key": ("key that ends", "keys that end"),
}
_ORDER: Final = tuple(KINDS)
_WORST_BUDGETS: Final = ("spent", "overrun", "near")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for this person.

    Attributes:
        kind, state: how it is drawn.
        text: what it is.
        until: when it ends, or None.
        due: by when the person has to act, or None: a budget's period ends without them.
        url: where it is dealt with.
        action: verb on the button.
    """

    kind: str
    state: str
    text: str
    until: datetime | None
    due: datetime | None
    url: str
    action: str


@dataclass(frozen=True, slots=True)
class More:
    """How many more of one kind there are, in words, and the list that holds them."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What waits for this person: the most urgent, and the rest by kind."""

    shown: tuple[Need, ...]
    more: tuple[More, ...]


def rows_needing(user: User, now: datetime) -> dict[str, QuerySet[Any]]:
    """Return the rows that wait for a person, by kind, the most urgent of each first; budgets are no rows."""
    rows: dict[str, QuerySet[Any]] = {
        "approval": ApprovalRequest.objects.in_time(now).awaiting(user).order_by("expires_at", "id")
    }
    if user.role in {Role.ADMIN, Role.OPERATOR, Role.OWNER}:
        # Told for a day, and not to whoever did it.
        broken = ApprovalRequest.objects.visible_to(user).filter(
            overridden_by__isnull=False, closed_at__gt=now - _TODAY
        )
        rows["glass"] = broken.exclude(overridden_by=user).order_by("-closed_at", "-id")
    if user.role in {Role.ADMIN, Role.OPERATOR}:
        unknown = Grant.objects.visible_to(user).filter(state=GrantState.OUTCOME_UNKNOWN)
        rows["grant"] = unknown.order_by("-id")
    if user.role not in {Role.REVIEWER, Role.AUDITOR}:
        fresh = Failure.objects.visible_to(user).filter(state__in=(FailureState.NEW, FailureState.REGRESSED))
        rows["failure"] = fresh.unmuted(now).order_by("-last_seen", "-id")
        keys = AgentKey.objects.visible_to(user)
        rows["key"] = ending_soon(keys, now).order_by("expires_at", "id")
    return rows


def read_needs(
    rows: Mapping[str, QuerySet[Any]], *, counts: Mapping[str, int], budgets: Sequence[BudgetRow], now: datetime
) -> Needs:
    """Read what waits: one query for each kind.

    Args:
        rows: of `rows_needing`.
        counts: how many each of them has, up to `MOST_COUNTED`.
        budgets: those that the person sees; the ones within their limits wait for nobody.
        now: aware UTC.
    """
    found = {kind: _NEEDS[kind](rows[kind]) for kind in rows}
    found["budget"] = _budgets(budgets)
    numbers = {**counts, "budget": len(found["budget"])}
    shown = most_urgent(found, now=now)
    more = []
    for kind in _ORDER:
        rest = numbers.get(kind, 0) - sum(need.kind == kind for need in shown)
        if rest > 0:
            one, many = KINDS[kind]
            least = "at least " if numbers[kind] >= MOST_COUNTED else ""
            more.append(More(f"{least}{rest:,} more {one if rest == 1 else many}", _LISTS[kind]()))
    return Needs(shown, tuple(more))


def count_needs(rows: Mapping[str, QuerySet[Any]]) -> dict[str, int]:
    """Count them in one query, each kind up to `MOST_COUNTED`."""
    return dict(zip(rows, count_up_to(tuple(rows.values()), MOST_COUNTED), strict=True))


def most_urgent(found: Mapping[str, Sequence[Need]], *, now: datetime) -> tuple[Need, ...]:
    """Choose what is shown: the first of every kind, then what is soonest; in the order of their deadlines.

    Args:
        found: by kind, the most urgent first.
        now: aware UTC.
    """
    ranked = [
        ((need.due or now + _TODAY, _ORDER.index(kind), place), need)
        for kind, needs in found.items()
        for place, need in enumerate(needs)
    ]
    ranked.sort(key=lambda each: each[0])
    # Of each kind the first has its place whatever waits elsewhere: seven approvals must not hide a failure.
    chosen = sorted(ranked, key=lambda each: (each[0][2] > 0, each[0]))[:MOST_SHOWN]
    return tuple(need for _, need in sorted(chosen, key=lambda each: each[0]))


def _approvals(rows: QuerySet[Any]) -> list[Need]:
    return [
        Need(
            "approval", row.state, f"{row.decision.verb} by {row.agent.slug}", row.expires_at, row.expires_at,
            page_of(row), "Review",
        )
        for row in rows.select_related("agent", "decision")[:MOST_SHOWN]
    ]  # fmt: skip


def _broken(rows: QuerySet[Any]) -> list[Need]:
    return [
        Need(
            "glass", row.state,
            f"{row.overridden_by.username} approved {row.decision.verb} by {row.agent.slug} in the reviewers’ place",
            None, None, page_of(row), "Look into",
        )
        for row in rows.select_related("agent", "decision", "overridden_by")[:MOST_SHOWN]
    ]  # fmt: skip


def _grants(rows: QuerySet[Any]) -> list[Need]:
    return [
        Need(
            "grant", row.state, f"Nobody said what came of {row.decision.verb} by {row.agent.slug}", None, None,
            page_of(row), "Settle",
        )
        for row in rows.select_related("agent", "decision")[:MOST_SHOWN]
    ]  # fmt: skip


def _failures(rows: QuerySet[Any]) -> list[Need]:
    return [
        Need(
            "failure", row.state, f"{row} of {row.agent.slug}, {formats.plural(row.count, 'time')}", None, None,
            page_of(row), "Look into",
        )
        for row in rows.select_related("agent")[:MOST_SHOWN]
    ]  # fmt: skip


def _keys(rows: QuerySet[Any]) -> list[Need]:
    return [
        Need(
            "key", row.state, f"Key {row.public_id} of {row.agent.slug} ends", row.expires_at, row.expires_at,
            page_of(row), "Look at",
        )
        for row in rows.select_related("agent")[:MOST_SHOWN]
    ]  # fmt: skip


def _budgets(rows: Sequence[BudgetRow]) -> list[Need]:
    beyond = sorted(
        (row for row in rows if row.standing in _WORST_BUDGETS),
        key=lambda row: (_WORST_BUDGETS.index(row.standing), -row.line.percent),
    )
    return [
        Need(
            "budget", row.standing,
            f"{row.line.slug}: {formats.money(row.line.settled_nanousd)} of {formats.money(row.line.limit_nanousd)}",
            row.line.ends_at, None, row.url, "Look",
        )
        for row in beyond
    ]  # fmt: skip


_NEEDS: Final = {"approval": _approvals, "glass": _broken, "grant": _grants, "failure": _failures, "key": _keys}
_LISTS: Final = {
    "approval": lambda: list_of(ApprovalRequest, "show=mine"),
    "glass": lambda: list_of(ApprovalRequest, "show=all&overridden_by__isnull=0"),
    "grant": lambda: list_of(Grant, f"state__exact={GrantState.OUTCOME_UNKNOWN}"),
    "budget": lambda: list_of(Budget),
    "failure": lambda: list_of(Failure, "show=triage"),
    "key": lambda: list_of(AgentKey, "ends=soon"),
}
