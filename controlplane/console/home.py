"""Home: what needs me, is anything wrong?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count

from approvals.models import ApprovalQuerySet, ApprovalRequest, Grant
from approvals.states import GrantState
from controlplane import demo
from controlplane.console import charts, formats, states
from controlplane.console.admins import list_of, page_of
from controlplane.console.costs import BudgetRow, spend_chart, standing_of
from controlplane.console.counting import count_up_to, written
from controlplane.console.runs.reading import failures_url
from costs.models import Budget
from costs.summaries import SpendSummary, spend_summary
from policies.models import Decision
from policies.states import Effect
from registry.models import Agent, AgentKey, User
from registry.states import AgentState, KeyState, Role
from runs.models import Failure, Run
from runs.states import FailureState

DAY: Final = timedelta(hours=24)
MOST_NEEDS: Final = 7
KEYS_END_SOON: Final = timedelta(days=7)
MOST_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for this person.

    Attributes:
        kind, state: how it is drawn.
        text: what it is.
        until: its deadline, or None.
        url: where it is dealt with.
        action: verb on the button.
    """

    kind: str
    state: str
    text: str
    until: datetime | None
    url: str
    action: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A count with the list of what it counts."""

    kind: str
    state: str
    count: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """Everything that Home shows; parts that a role does not have are None.

    Attributes:
        waiting: what waits for this person's vote; `held` all open requests that they see; written, up to a bound.
        failed: runs that failed in the last 24 hours, and the list of them.
        one_time: whether this person's password was set by somebody else.
        is_new: whether there is no agent in the whole installation yet.
        may_load_demo: whether this person may load the demonstration.
    """

    role: str
    needs: tuple[Need, ...]
    waiting: str
    waiting_url: str
    held: str
    held_url: str
    agents: tuple[Tile, ...]
    agents_url: str
    failed: str
    failed_url: str
    effects: tuple[Tile, ...]
    decisions: int
    decisions_url: str
    effect_chart: charts.Share
    spend: SpendSummary
    spend_chart: charts.Bars
    budgets: tuple[BudgetRow, ...]
    costs_url: str
    sees_more: bool
    is_new: bool
    one_time: bool
    may_load_demo: bool
    as_of: datetime


def read_home(user: User, *, now: datetime) -> HomePage:
    """Read the page for one person."""
    mine = ApprovalRequest.objects.in_time(now).awaiting(user)
    held = ApprovalRequest.objects.in_time(now).visible_to(user)
    failed = Run.objects.visible_to(user).failed().since(now - DAY)
    waiting, open_requests, failures = count_up_to((mine, held, failed), MOST_COUNTED)
    effects = _effects(user, now)
    spend = spend_summary(user=user, now=now)
    budgets = _budgets(user, spend)
    is_new = not Agent.objects.exists()
    return HomePage(
        role=user.role,
        needs=_needs(user, mine, budgets, now),
        waiting=written(waiting, MOST_COUNTED),
        waiting_url=list_of(ApprovalRequest, "show=mine"),
        held=written(open_requests, MOST_COUNTED),
        held_url=list_of(ApprovalRequest, "show=open"),
        agents=_agents(user),
        agents_url=list_of(Agent),
        failed=written(failures, MOST_COUNTED),
        failed_url=failures_url("24h"),
        effects=effects,
        decisions=sum(tile.count for tile in effects),
        decisions_url=list_of(Decision, "since=24h&dry_run__exact=0"),
        effect_chart=_effect_chart(effects),
        spend=spend,
        spend_chart=spend_chart(spend),
        budgets=budgets,
        costs_url=list_of(Budget),
        sees_more=user.role != Role.REVIEWER,
        is_new=is_new,
        one_time=user.must_change_password,
        may_load_demo=is_new and user.role == Role.ADMIN and not demo.is_loaded(),
        as_of=now,
    )


def read_needs(user: User, *, now: datetime) -> tuple[Need, ...]:
    """Read what waits for one person, without the rest of the page."""
    budgets = _budgets(user, spend_summary(user=user, now=now))
    return _needs(user, ApprovalRequest.objects.in_time(now).awaiting(user), budgets, now)


def _needs(user: User, mine: ApprovalQuerySet, budgets: Sequence[BudgetRow], now: datetime) -> tuple[Need, ...]:
    needs = [
        Need("approval", row.state, f"{row.decision.verb} by {row.agent.slug}", row.expires_at, page_of(row), "Review")
        for row in mine.select_related("agent", "decision").order_by("expires_at", "id")[:MOST_NEEDS]
    ]
    unknown = Grant.objects.visible_to(user).filter(state=GrantState.OUTCOME_UNKNOWN)
    if user.role in {Role.ADMIN, Role.OPERATOR}:
        needs += [
            Need(
                "grant",
                row.state,
                f"Nobody said what came of {row.decision.verb} by {row.agent.slug}",
                None,
                page_of(row),
                "Settle",
            )
            for row in unknown.select_related("agent", "decision").order_by("-id")[:MOST_NEEDS]
        ]
    if user.role not in {Role.REVIEWER, Role.AUDITOR}:
        needs += [*_fresh_failures(user, now), *_ending_keys(user, now)]
    needs += [
        Need(
            "budget", row.standing,
            f"{row.line.slug}: {formats.money(row.line.settled_nanousd)} of {formats.money(row.line.limit_nanousd)}",
            row.line.ends_at, row.url, "Look",
        )
        for row in budgets
        if row.standing != "within"
    ]  # fmt: skip
    return tuple(needs[:MOST_NEEDS])


def _fresh_failures(user: User, now: datetime) -> list[Need]:
    rows = Failure.objects.visible_to(user).filter(state__in=(FailureState.NEW, FailureState.REGRESSED)).unmuted(now)
    return [
        Need(
            "failure", row.state, f"{row} of {row.agent.slug}, {formats.plural(row.count, 'time')}",
            None, page_of(row), "Look into",
        )
        for row in rows.select_related("agent").order_by("-last_seen", "-id")[:MOST_NEEDS]
    ]  # fmt: skip


def _ending_keys(user: User, now: datetime) -> list[Need]:
    rows = AgentKey.objects.filter(
        agent__in=Agent.objects.visible_to(user).active().values("pk"),
        state=KeyState.LIVE, expires_at__gt=now, expires_at__lt=now + KEYS_END_SOON,
    )  # fmt: skip
    return [
        Need("key", row.state, f"Key {row.public_id} of {row.agent.slug} ends", row.expires_at, page_of(row), "Look at")
        for row in rows.select_related("agent").order_by("expires_at", "id")[:MOST_NEEDS]
    ]


def _agents(user: User) -> tuple[Tile, ...]:
    rows = Agent.objects.visible_to(user).order_by().values("state").annotate(n=Count("pk"))
    found = {row["state"]: row["n"] for row in rows}
    return tuple(
        Tile("agent", state, found.get(state, 0), list_of(Agent, f"state__exact={state}"))
        for state in AgentState.values
    )


def _effects(user: User, now: datetime) -> tuple[Tile, ...]:
    rows = Decision.objects.visible_to(user).real().since(now - DAY).order_by().values("effect").annotate(n=Count("pk"))
    found = {row["effect"]: row["n"] for row in rows}
    return tuple(
        Tile(
            "effect", effect, found.get(effect, 0),
            list_of(Decision, f"since=24h&dry_run__exact=0&effect__exact={effect}"),
        )
        for effect in Effect.values
    )  # fmt: skip


def _effect_chart(tiles: Sequence[Tile]) -> charts.Share:
    points = [(tile.state, tile.count, states.mark("effect", tile.state).tone, tile.url) for tile in tiles]
    return charts.share("Decisions of the last 24 hours by effect", points)


def _budgets(user: User, spend: SpendSummary) -> tuple[BudgetRow, ...]:
    urls = {row.slug: page_of(row) for row in Budget.objects.visible_to(user).active().distinct()}
    return tuple(BudgetRow(line, urls[line.slug], standing_of(line)) for line in spend.budgets if line.slug in urls)
