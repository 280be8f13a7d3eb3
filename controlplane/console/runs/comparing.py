"""Two runs side by side: what took longer, cost more, or ended otherwise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from controlplane.console.admins import page_of
from controlplane.console.dialogs import Subpage
from controlplane.console.runs.reading import name_of
from costs.models import Usage
from costs.sums import Total
from registry.models import User
from runs.models import Run, Step
from runs.models.runs import RunQuerySet

MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    name: str
    url: str
    status: str
    version: str
    started_at: datetime
    lasted: timedelta | None
    nanousd: int | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One step in both runs; a side is empty where the run has no such step."""

    name: str
    left_status: str
    right_status: str
    left: timedelta | None
    right: timedelta | None

    @property
    def differs(self) -> bool:
        """Whether it ended otherwise, or is in one of them only."""
        return self.left_status != self.right_status


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the page shows."""

    heading: str
    left: Side
    right: Side
    pairs: tuple[Pair, ...]


def compare(left: Run, right: Run) -> Comparison:
    """Set two runs side by side: steps are paired by name, the first with the first."""
    costs = dict(
        Usage.objects.filter(Q(run_id=left.pk) | Q(run_id=right.pk))
        .order_by()
        .values_list("run_id")
        .annotate(cost=Total("cost_nanousd"))
    )
    ours, theirs = _steps(left), _steps(right)
    names = list(dict.fromkeys([*ours, *theirs]))
    pairs = [
        Pair(
            name,
            a.status if a else "",
            b.status if b else "",
            _lasted(a),
            _lasted(b),
        )
        for name in names
        for a, b in _zipped(ours.get(name, []), theirs.get(name, []))
    ]
    return Comparison(
        f"{name_of(left)} and {name_of(right)}", _side(left, costs), _side(right, costs), tuple(pairs[:MOST])
    )


def _steps(run: Run) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = defaultdict(list)
    for step in Step.objects.filter(run=run).in_order()[:MOST]:
        found[step.name].append(step)
    return dict(found)


def _zipped(left: list[Step], right: list[Step]) -> list[tuple[Step | None, Step | None]]:
    most = max(len(left), len(right))
    return list(zip([*left, *[None] * (most - len(left))], [*right, *[None] * (most - len(right))], strict=True))


def _lasted(step: Step | None) -> timedelta | None:
    return timedelta(milliseconds=step.duration_ms) if step and step.duration_ms is not None else None


def _side(run: Run, costs: dict[UUID, int | None]) -> Side:
    version = f"v{run.version.number}" if run.version else "version unknown"
    return Side(name_of(run), page_of(run), run.status, version, run.started_at, run.duration, costs.get(run.pk))


class Other(forms.Form):
    """Which run to compare with."""

    other = forms.UUIDField()


class Compare(Subpage):
    """The page below a run's own; it is read only."""

    row: Run

    def get(self, request: HttpRequest, **_: object) -> HttpResponse:
        """Compare with the run that the address names, else with the latest before it that succeeded."""
        form = Other(request.GET if "other" in request.GET else None)
        other = None
        choices = others(self.row, self.user)
        if form.is_bound and form.is_valid():
            other = choices.filter(pk=form.cleaned_data["other"]).first()
        elif not form.is_bound:
            other = choices.filter(status="succeeded", started_at__lt=self.row.started_at).first() or choices.first()
        page = compare(other, self.row) if other is not None else None
        context = {
            "page": page,
            "title": "Compare runs",
            "choices": [(name_of(one), str(one.pk), one.started_at) for one in choices[:10]],
            "back": self.back(),
            "is_wrong": form.is_bound and other is None,
        }
        return self.framed("console/runs/compare.html", context)


def others(run: Run, user: User) -> RunQuerySet:
    """Return the agent's other runs that the person sees, newest first."""
    rows = Run.objects.visible_to(user).of_agent(run.agent_id).exclude(pk=run.pk).select_related("version")
    return rows.order_by("-started_at", "-id")
