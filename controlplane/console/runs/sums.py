"""What lists show of runs that the runs themselves do not hold: model calls, and waiting for people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Least

from controlplane.console.runs.reading import LONGEST_MS
from costs.models import Usage
from costs.sums import Total
from runs.models import Step
from runs.states import StepKind


@dataclass(frozen=True, slots=True)
class RunSums:
    """What one run came to.

    Attributes:
        calls: model calls; `unpriced` of them have no known price.
        tokens: of all kinds together.
        nanousd: nano-USD of the priced calls.
        waited: time in ended steps that waited for people; None where there is no such step.
    """

    calls: int = 0
    unpriced: int = 0
    tokens: int = 0
    nanousd: int = 0
    waited: timedelta | None = None


def sums_of(runs: Collection[UUID]) -> dict[UUID, RunSums]:
    """Sum model calls and waiting of some runs, in two queries whatever their number.

    Args:
        runs: ids of visible runs.

    Returns:
        By id, for every one of them.
    """
    calls = Usage.objects.filter(run_id__in=runs).order_by().values("run_id").annotate(
        calls=Count("pk"), unpriced=Count("pk", filter=Q(cost_nanousd=None)), nanousd=Total("cost_nanousd"),
        all_tokens=Sum(F("input_uncached") + F("cache_read") + F("cache_write") + F("output")),
    )  # fmt: skip
    spent = {row["run_id"]: row for row in calls}
    waits = Step.objects.filter(run__in=runs, kind=StepKind.HUMAN, duration_ms__isnull=False).order_by()
    # Agents tell durations: no sum of them may leave the calendar, or what the database can count.
    waited = dict(waits.values_list("run").annotate(waited=Sum(Least("duration_ms", LONGEST_MS))))
    return {
        run: RunSums(
            calls=spent[run]["calls"] if run in spent else 0,
            unpriced=spent[run]["unpriced"] if run in spent else 0,
            tokens=spent[run]["all_tokens"] if run in spent else 0,
            nanousd=(spent[run]["nanousd"] or 0) if run in spent else 0,
            waited=timedelta(milliseconds=min(waited[run], LONGEST_MS)) if run in waited else None,
        )
        for run in runs
    }
