"""Home: what needs me, is anything wrong?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count

from approvals.models import ApprovalRequest
from controlplane import demo
from controlplane.console import charts, states
from controlplane.console.admins import list_of, page_of
from controlplane.console.away import Away, closed_since, log_in_before, read_away
from controlplane.console.costs import BudgetRow, spend_chart, standing_of
from controlplane.console.counting import written
from controlplane.console.needs import MOST_COUNTED, Needs, count_needs, read_needs, rows_needing
from controlplane.console.runs.reading import failures_url
from costs.models import Budget
from costs.summaries import SpendSummary, spend_summary
from policies.models import Decision
from policies.states import Effect
from registry.models import Agent, User
from registry.states import AgentState, Role
from runs.models import Run

DAY: Final = timedelta(hours=24)


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
        away: what happened since the log-in before the present one; None at a first visit.
        failed: runs that failed in the last 24 hours, and the list of them.
        one_time: whether this person's password was set by somebody else.
        is_new: whether there is no agent in the whole installation yet.
        may_load_demo: whether this person may load the demonstration.
    """

    role: str
    needs: Needs
    away: Away | None
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
    rows = rows_needing(user, now)
    held = ApprovalRequest.objects.in_time(now).visible_to(user)
    failed = Run.objects.visible_to(user).failed().since(now - DAY)
    before = log_in_before(user)
    counted = count_needs({**rows, "held": held, "failed": failed, "closed": closed_since(user, before)})
    effects = _effects(user, now)
    spend = spend_summary(user=user, now=now)
    budgets = _budgets(user, spend)
    agents = _agents(user)
    # Who sees an agent knows that there is one.
    is_new = not any(tile.count for tile in agents) and not Agent.objects.exists()
    sees_more = user.role != Role.REVIEWER
    return HomePage(
        role=user.role,
        needs=read_needs(rows, counts=counted, budgets=budgets, now=now),
        away=_away(user, before, counted["closed"], has_money=sees_more, now=now),
        waiting=written(counted["approval"], MOST_COUNTED),
        waiting_url=list_of(ApprovalRequest, "show=mine"),
        held=written(counted["held"], MOST_COUNTED),
        held_url=list_of(ApprovalRequest, "show=open"),
        agents=agents,
        agents_url=list_of(Agent),
        failed=written(counted["failed"], MOST_COUNTED),
        failed_url=failures_url("24h"),
        effects=effects,
        decisions=sum(tile.count for tile in effects),
        decisions_url=list_of(Decision, "since=24h&dry_run__exact=0"),
        effect_chart=_effect_chart(effects),
        spend=spend,
        spend_chart=spend_chart(spend),
        budgets=budgets,
        costs_url=list_of(Budget),
        sees_more=sees_more,
        is_new=is_new,
        one_time=user.must_change_password,
        may_load_demo=is_new and user.role == Role.ADMIN and not demo.is_loaded(),
        as_of=now,
    )


def _away(user: User, since: datetime | None, closed: int, *, has_money: bool, now: datetime) -> Away | None:
    if since is None:
        return None
    return read_away(user, since=since, decided=written(closed, MOST_COUNTED), has_money=has_money, now=now)


def read_needs_alone(user: User, *, now: datetime) -> Needs:
    """Read what waits for one person, without the rest of the page."""
    rows = rows_needing(user, now)
    budgets = _budgets(user, spend_summary(user=user, now=now))
    return read_needs(rows, counts=count_needs(rows), budgets=budgets, now=now)


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
