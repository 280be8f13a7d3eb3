"""The budgets in force, kept in the process and checked by the catalogue's revision at every use.

Every change of a budget gives the catalogue a new revision, which no other contents ever had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from audit import sql
from costs.models import Budget, TopUp
from costs.money import FULL
from costs.states import GUARDED, RANK, Scope
from registry.models import Catalogue

BUDGETS_LOCK = "costs.budgets"


@dataclass(frozen=True, slots=True)
class BudgetSpec:
    """A budget as decisions and settlements use it.

    Attributes:
        id: primary key.
        slug: its name.
        scope: of `costs.states.Scope`.
        per: of `costs.states.Per`.
        zone: IANA zone.
        limit_nanousd: nano-USD per period.
        reserve_nanousd: nano-USD set aside for an action without an estimate.
        at_limit: of `costs.states.AtLimit`.
        top_ups: (from, until, nano-USD): what is added to the limit, and when.
    """

    id: int
    slug: str
    scope: str
    per: str
    zone: str
    limit_nanousd: int
    reserve_nanousd: int
    at_limit: str
    top_ups: tuple[tuple[datetime, datetime, int], ...] = ()

    def limit_at(self, moment: datetime) -> int:
        """Return the limit that counts at a moment, top-ups included, nano-USD. A full period has passed it."""
        if not self.top_ups:
            return self.limit_nanousd
        added = sum(amount for since, until, amount in self.top_ups if since <= moment < until)
        return min(self.limit_nanousd + added, FULL - 1)

    @property
    def order(self) -> tuple[int, int]:
        """Place in the order in which budgets are locked: leaf to root, then by id."""
        return RANK[self.scope], self.id

    @property
    def guarded(self) -> bool:
        """Whether it can refuse; one that only alerts is accounted, never reserved."""
        return self.at_limit in GUARDED


@dataclass(frozen=True, slots=True)
class BudgetTree:
    """Every budget in force, found by what it bounds.

    Attributes:
        revision: the catalogue's revision at which it was read.
        lines: budgets in lock order by (scope, subject): team ids and slugs, agent ids, (agent id, task).
    """

    revision: int
    lines: dict[tuple[str, object], tuple[BudgetSpec, ...]]

    def over(self, *, agent_id: int, team: int | str, task: str) -> tuple[BudgetSpec, ...]:
        """Return the budgets that spend counts into, in lock order.

        Args:
            agent_id: who spends.
            team: the team's id, or its slug.
            task: the task's name, or empty.
        """
        return (
            *self.lines.get((Scope.TASK, (agent_id, task)), ()),
            *self.lines.get((Scope.AGENT, agent_id), ()),
            *self.lines.get((Scope.TEAM, team), ()),
            *self.lines.get((Scope.ORGANISATION, None), ()),
        )


class _Memory:
    """The one tree that this process holds; replaced whole, so readers need no lock."""

    held: BudgetTree | None = None


def tree(revision: int) -> BudgetTree:
    """Return the budgets in force.

    Args:
        revision: `registry.models.Catalogue.revision`, read in the caller's transaction.
    """
    held = _Memory.held
    if held is None or held.revision != revision:
        held = BudgetTree(revision, _lines(list(Budget.objects.active().select_related("team"))))
        _Memory.held = held
    return held


def present_tree() -> BudgetTree:
    """Read the catalogue's revision and return the budgets in force."""
    revision = Catalogue.objects.filter(pk=1).values_list("revision", flat=True).first()
    return tree(revision or 0)


def spec_of(budget: Budget, top_ups: Sequence[TopUp] = ()) -> BudgetSpec:
    """Return a budget as decisions and settlements use it.

    Args:
        budget: the row.
        top_ups: of this budget.
    """
    return BudgetSpec(
        id=budget.pk,
        slug=budget.slug,
        scope=budget.scope,
        per=budget.per,
        zone=budget.zone,
        limit_nanousd=budget.limit_nanousd,
        reserve_nanousd=budget.reserve_nanousd,
        at_limit=budget.at_limit,
        top_ups=tuple((row.at, row.until, row.amount_nanousd) for row in top_ups),
    )


def top_ups_of(budgets: Sequence[Budget]) -> dict[int, list[TopUp]]:
    """Read the top-ups of budgets, by budget, in one query."""
    found: defaultdict[int, list[TopUp]] = defaultdict(list)
    for row in TopUp.objects.filter(budget__in=[budget.pk for budget in budgets]).order_by("id"):
        found[row.budget_id].append(row)
    return found


def limit_at(budget: Budget, moment: datetime, *, top_ups: Sequence[TopUp] | None = None) -> int:
    """Return the limit that counts for a budget at a moment, nano-USD.

    Args:
        budget: the row.
        moment: aware.
        top_ups: of this budget; read here where they are left out.
    """
    rows = list(TopUp.objects.filter(budget=budget)) if top_ups is None else top_ups
    return spec_of(budget, rows).limit_at(moment)


def hold_still() -> None:
    """Keep budgets from being changed or recounted until the present transaction ends.

    Usage takes this lock shared before it reads the budgets; `hold_alone` takes it alone. So a
    budget that begins to count sees all usage recorded before it, and no usage misses it.
    """
    if sql.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [BUDGETS_LOCK])


def hold_alone() -> None:
    """Keep usage from being settled until the present transaction ends."""
    sql.advisory_lock(BUDGETS_LOCK)


def _lines(budgets: Sequence[Budget]) -> dict[tuple[str, object], tuple[BudgetSpec, ...]]:
    found: defaultdict[tuple[str, object], list[BudgetSpec]] = defaultdict(list)
    top_ups = top_ups_of(budgets)
    for budget in budgets:
        for subject in _subjects(budget):
            found[budget.scope, subject].append(spec_of(budget, top_ups.get(budget.pk, ())))
    return {key: tuple(sorted(specs, key=lambda spec: spec.order)) for key, specs in found.items()}


def _subjects(budget: Budget) -> tuple[object, ...]:
    if budget.scope == Scope.TASK:
        return ((budget.agent_id, budget.task),)
    if budget.scope == Scope.AGENT:
        return (budget.agent_id,)
    if budget.scope == Scope.TEAM and budget.team:
        # Decisions know the team's id, usage its slug.
        return (budget.team_id, budget.team.slug)
    return (None,)
