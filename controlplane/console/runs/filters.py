"""Filters of the list of runs: the model that a run called, the failure that it met."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from controlplane.console.people import viewer
from costs.models import CostRollup, Usage
from runs.models import Failure, Step

_RECENT: Final = timedelta(days=30)
_MOST_MODELS: Final = 200
_MOST_FAILURES: Final = 50
_FEW_CALLS: Final = 10_000


class ByModel(admin.SimpleListFilter):
    """The model that a run called, of those that were called lately."""

    title = parameter_name = "model"
    _many: bool | None = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the models of the last days' sums: the calls themselves would have to be read one by one."""
        sums = CostRollup.objects.visible_to(viewer(request)).daily()
        recent = sums.filter(bucket_start__gte=timezone.now() - _RECENT).order_by("model")
        models = recent.values_list("model", flat=True).distinct()[:_MOST_MODELS]
        chosen = self.used_parameters.get(self.parameter_name)
        return [(model, model) for model in dict.fromkeys([*models, *([str(chosen)] if chosen else [])])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep runs with a call of the model."""
        if not self.value():
            return queryset
        calls = Usage.objects.filter(model=self.value(), run_id__isnull=False).order_by()
        if self._many is None:
            self._many = calls.values("pk")[_FEW_CALLS : _FEW_CALLS + 1].exists()
        # Of many calls the newest runs have some: to look into each run ends early. Of few calls SQLite would look
        # into every run there is: their runs are gathered first. Measured with 100,000 runs: 20 ms against 270.
        if self._many:
            return queryset.filter(Exists(calls.filter(run_id=OuterRef("pk"))))
        return queryset.filter(pk__in=calls.values("run_id"))


class ByFailure(admin.SimpleListFilter):
    """The failure that a run, or a step of it, met: of those that are open, the latest."""

    title = parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the failures, the named one among them if the person may see it."""
        visible = Failure.objects.visible_to(viewer(request)).select_related("agent")
        rows = list(visible.open().order_by("-last_seen", "-id")[:_MOST_FAILURES])
        chosen = _read_id(self.used_parameters.get(self.parameter_name))
        if chosen and all(row.pk != chosen for row in rows):
            rows += visible.filter(pk=chosen)
        return [(str(row.pk), f"{row} of {row.agent.slug}") for row in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep runs that met it, as a whole or in a step."""
        if not self.value():
            return queryset
        failure = _read_id(self.value())
        if failure is None:
            return queryset.none()
        return queryset.filter(Q(failure=failure) | Q(pk__in=Step.objects.filter(failure=failure).values("run")))


def _read_id(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
