"""Budgets: writing them, and putting them into force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from audit import canonical
from audit.actors import Acting
from audit.refusals import Conflict, Invalid, Problem, invalid
from audit.transitions import note
from costs import in_force, permissions
from costs.documents import BudgetFields, budget_document, budget_fields
from costs.models import Budget, BudgetPeriod, Reservation
from costs.money import parse_usd
from costs.operations.alerts import alert, pause_again
from costs.operations.usage import pause_after_commit
from costs.periods import is_zone, period_at
from costs.settlement import Standing, recount, restate
from costs.states import AtLimit, Per, Scope
from registry.documents import Problems
from registry.history import save_configured
from registry.models import Agent, Team
from registry.models.people import SLUG
from registry.operations import bump_catalogue
from registry.permissions import found

DEFAULT_RESERVE = "0.05"
DEFAULT_ALERTS = (50, 80, 100)
_SUBJECT = frozenset({"organisation", "team", "agent", "task"})
_MOST_ALERTS, _HIGHEST_ALERT, _LONGEST_TASK = 20, 1000, 200


@dataclass(frozen=True, slots=True)
class _Edit:
    """A budget as it will be, beside what it was."""

    budget: Budget
    old: dict[str, Any] | None
    new: dict[str, Any]
    governs: bool

    @property
    def changes(self) -> bool:
        return self.old != self.new


@transaction.atomic
def save_budget(*, slug: str, document: Mapping[str, object], by: Acting, now: datetime, fresh: bool = False) -> bool:
    """Create a budget or change it. What the document leaves out stays as it is.

    What was spent in the present period before the budget came into force counts.

    Args:
        slug: lower-case letters, digits, hyphens; stays for ever.
        document: the form of `semantics 11`, with these keys:

            - ``organisation: true``, or ``team``, or ``agent``, or ``agent`` and ``task``: whom it
              bounds; stays for ever;
            - ``per``: ``day``, ``week`` or ``month``; required for a new budget;
            - ``zone``: IANA zone of its periods; ``UTC`` for a new one;
            - ``limit_usd``: USD per period as text; required for a new one;
            - ``reserve_usd``: USD set aside for an action without an estimate; 0.05 for a new one;
            - ``alert_at``: percents of the limit that alert; 50, 80, 100 for a new one;
            - ``at_limit``: ``alert``, ``throttle``, ``deny`` or ``pause``; for a new one ``deny``,
              the organisation's ``alert``;
            - ``active``: whether it is in force; a new one is.
        by: with the right to publish over what the budget bounds; for one that is and stays
            inactive, whoever may draft it.
        now: when, aware UTC.
        fresh: whether the budget must not exist yet.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: a key or value is not admitted, with pointers; it exists, and must not.
        Missing: team, agent or budget is not theirs to see.
        Forbidden: they see it and may not do this.
        Conflict: the budget bounds somebody else.
    """
    problems = Problems()
    fields = budget_fields(document, problems=problems)
    problems.raise_if_any()
    if not _edit(slug, fields, by=by, fresh=fresh).changes:
        return False
    # The catalogue's row first: writers of verbs hold it already when they come to budgets. Then
    # usage is kept out, and the budget read again: what is recorded now either sees it or is seen.
    bump_catalogue(now=now)
    in_force.hold_alone()
    edit = _edit(slug, fields, by=by, fresh=fresh)
    if not edit.changes:
        return False
    budget = edit.budget
    may = permissions.may_publish_budget if edit.governs else permissions.may_draft_budget
    may(by, team=budget.team, agent=budget.agent)
    save_configured(budget, by=by, now=now)
    note(
        budget,
        kind="budget.changed" if edit.old else "budget.created",
        by=by,
        now=now,
        before=canonical.digest("acp.budget.v1", edit.old) if edit.old else "",
        after=canonical.digest("acp.budget.v1", edit.new),
        details={"before": edit.old, "after": edit.new},
    )
    if budget.active:
        standing = _begin(budget, now=now)
        pause_again(budget=budget, standing=standing, now=now)
        pause_after_commit(alert(standings=[standing], by=by, now=now), now=now)
    return True


def _edit(slug: str, fields: BudgetFields, *, by: Acting, fresh: bool) -> _Edit:
    subject: dict[str, Any] = {name: value for name, value in fields.items() if name in _SUBJECT and value}
    budget = Budget.objects.select_related("team", "agent__team").filter(slug=slug).first()
    if budget is None:
        budget = _new(slug, _bounds(**subject))
        old, was_active = None, False
    elif fresh:
        raise invalid("/slug", "taken", "There is a budget of this name.")
    else:
        permissions.may_see_budget(by, budget)
        old, was_active = budget_document(budget), budget.active
        if subject and any(getattr(budget, name) != value for name, value in _bounds(**subject).items()):
            raise Conflict(f"The budget {slug} bounds somebody else, which stays for ever.")
    values = {name: value for name, value in fields.items() if name not in _SUBJECT}
    _set(budget, values, new=old is None)
    return _Edit(budget, old, budget_document(budget), was_active or budget.active)


def _bounds(*, organisation: bool = False, team: str = "", agent: str = "", task: str = "") -> dict[str, Any]:
    """Return the columns that say whom a budget bounds."""
    if sum(map(bool, (organisation, team, agent))) != 1:
        detail = "A budget bounds either the organisation, or a team, or an agent."
        raise Invalid(detail, errors=[Problem("", "bad_scope", detail)])
    if task and (not agent or len(task) > _LONGEST_TASK):
        detail = f"A task has at most {_LONGEST_TASK} characters and is a task of an agent, which must be named."
        raise Invalid(detail, errors=[Problem("/task", "bad_scope", detail)])
    bounds: dict[str, Any] = {"scope": Scope.ORGANISATION, "team": None, "agent": None, "task": task}
    if team:
        bounds |= {"scope": Scope.TEAM, "team": found(Team.objects.filter(slug=team))}
    elif agent:
        which = found(Agent.objects.select_related("team").filter(slug=agent))
        bounds |= {"scope": Scope.TASK if task else Scope.AGENT, "agent": which}
    return bounds


def _new(slug: str, bounds: Mapping[str, Any]) -> Budget:
    return Budget(
        slug=slug,
        zone="UTC",
        reserve_nanousd=parse_usd(DEFAULT_RESERVE),
        alert_at=list(DEFAULT_ALERTS),
        at_limit=AtLimit.ALERT if bounds["scope"] == Scope.ORGANISATION else AtLimit.DENY,
        limit_nanousd=0,
        **bounds,
    )


def _set(budget: Budget, values: Mapping[str, Any], *, new: bool) -> None:
    """Put checked values into a budget.

    Raises:
        Invalid: with a pointer to each value that is not admitted.
    """
    problems = []
    if new:
        problems += _slug_problems(budget.slug)
        required = ("per", "limit_usd")
        problems += [
            Problem(f"/{name}", "missing", "A new budget needs this.") for name in required if name not in values
        ]
    for name, value in values.items():
        field, check = _CHECKS[name]
        try:
            setattr(budget, field, check(value))
        except ValueError as error:
            problems.append(Problem(f"/{name}", "not_admitted", str(error)))
    if problems:
        raise Invalid("The budget cannot be saved.", errors=problems)


def _slug_problems(slug: str) -> list[Problem]:
    try:
        SLUG(slug)
    except ValidationError:
        return [Problem("/slug", "invalid_name", "A slug has lower-case letters, digits and hyphens, at most 64.")]
    return []


def _per(value: str) -> str:
    return Per(value).value


def _at_limit(value: str) -> str:
    return AtLimit(value).value


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError(f"“{value}” is not an IANA time zone, such as UTC or Europe/Berlin.")
    return value


def _limit(value: str) -> int:
    nanousd = parse_usd(value)
    if nanousd == 0:
        raise ValueError("A limit is more than zero; to stop an agent, pause it.")
    return nanousd


def _alerts(value: Sequence[int]) -> list[int]:
    found = sorted(set(value))
    if len(found) > _MOST_ALERTS or any(not 1 <= percent <= _HIGHEST_ALERT for percent in found):
        raise ValueError(f"At most {_MOST_ALERTS} thresholds from 1 to {_HIGHEST_ALERT} percent are admitted.")
    return found


_CHECKS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "per": ("per", _per),
    "zone": ("zone", _zone),
    "limit_usd": ("limit_nanousd", _limit),
    "reserve_usd": ("reserve_nanousd", parse_usd),
    "alert_at": ("alert_at", _alerts),
    "at_limit": ("at_limit", _at_limit),
    "active": ("active", bool),
}


def _begin(budget: Budget, *, now: datetime) -> Standing:
    """Make sure that the present period stands and holds all that was spent and is set aside in it."""
    period = period_at(budget.per, budget.zone, now)
    restate(budget)
    row, _ = BudgetPeriod.objects.get_or_create(
        budget=budget,
        starts_at=period.start,
        ends_at=period.end,
        defaults={"settled_nanousd": recount(budget, period)},
    )
    _bring_along(row)
    return Standing(budget.pk, row.pk, row.settled_nanousd)


def _bring_along(row: BudgetPeriod) -> None:
    """Move what is set aside in periods of an older form into the present one."""
    held = Reservation.objects.held().filter(budget=row.budget_id, created_at__gte=row.starts_at)
    elsewhere = held.filter(created_at__lt=row.ends_at).exclude(budget_period=row).select_for_update().order_by("id")
    amounts: defaultdict[int, int] = defaultdict(int)
    for reservation in elsewhere:
        amounts[reservation.budget_period_id] -= reservation.amount_nanousd
        amounts[row.pk] += reservation.amount_nanousd
        Reservation.objects.filter(pk=reservation.pk).update(budget_period=row)
    for pk in BudgetPeriod.objects.filter(pk__in=amounts).order_by("starts_at", "ends_at").values_list("pk", flat=True):
        BudgetPeriod.objects.filter(pk=pk).update(reserved_nanousd=F("reserved_nanousd") + amounts[pk])
