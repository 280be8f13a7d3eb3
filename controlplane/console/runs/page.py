"""The run page: where did time, money and trust go?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, Sum

from controlplane.console import charts, formats
from controlplane.console.admins import page_of
from controlplane.console.runs.folding import Fold, fold
from controlplane.console.runs.reading import LONGEST_MS, name_of
from costs.models import Usage
from costs.sums import Total
from policies.models import Decision
from registry.models import User
from runs.models import Run, Step
from runs.permissions import may_break_glass, may_read_payload
from runs.states import FAILED, RunStatus, StepKind

MOST_STEPS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step on the time line.

    Attributes:
        bar: where it lies, in percent of the run.
        look: class of its bar: waiting is hatched, failure is red.
        tokens: in, cached and out, written; empty where it called no model.
        nanousd: what it cost; None with tokens: unpriced.
        has_cost: whether there is usage at all.
        decision_url: the decision that it carries out, or empty.
        payload: what is known of input and output without opening them.
        payload_url: where they can be opened, empty where they are not this person's to read.
    """

    id: str
    name: str
    kind: str
    status: str
    started_at: datetime
    lasted: timedelta | None
    bar: charts.Span
    look: str
    model: str
    tokens: str
    nanousd: int | None
    has_cost: bool
    error: str
    decision_url: str
    effect: str
    payload: str
    payload_url: str
    flags: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether it failed or crashed."""
        return self.status in FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Everything that the page shows.

    Attributes:
        waited: time in steps that waited for people, None where there is none.
        calls: model calls; `unpriced` of them have no known price.
        more_url, earlier_steps_url: of the steps after and before those shown, or empty.
        first_failure: id of the first failing step shown, or empty.
        earlier_url, later_url: the agent's neighbouring runs, or empty.
        fold_url: of the same page with its waiting folded, or in full again; empty where nothing waited.
        error, output: the agent's own words, untrusted.
    """

    heading: str
    run_id: str
    status: str
    agent: str
    agent_url: str
    version: str
    version_url: str
    team: str
    environment: str
    source: str
    trigger: str
    task: str
    external_id: str
    event_id: str
    started_at: datetime
    ended_at: datetime | None
    lasted: timedelta | None
    waited: timedelta | None
    received_at: datetime
    calls: int
    unpriced: int
    nanousd: int
    tokens: int
    error_type: str
    error: str
    output: str
    failure_url: str
    parent_url: str
    retry_url: str
    flags: tuple[str, ...]
    steps: tuple[StepLine, ...]
    more_url: str
    earlier_steps_url: str
    first_failure: str
    earlier_url: str
    later_url: str
    fold_url: str
    is_folded: bool


def read_run(run: Run, *, user: User, now: datetime, start_at: int | None = None, folded: bool = False) -> RunPage:
    """Read the page; agent, team, version and failure are joined.

    Args:
        run: visible to the person.
        user: who looks.
        now: aware UTC.
        start_at: how many steps to leave out at the beginning; None: the page opens at the first failure.
        folded: whether to take waiting out of the time line.
    """
    start_at, steps = _opened(run) if start_at is None else (start_at, _steps(run, start_at))
    more, steps = len(steps) > MOST_STEPS, steps[:MOST_STEPS]
    costs = _costs(run)
    end = run.ended_at or max((_end(step) or step.started_at for step in steps), default=now)
    start = min((step.started_at for step in steps), default=run.started_at)
    start = min(start, run.started_at)
    effects = _effects(steps)
    opens = may_read_payload(user, run) or may_break_glass(user)
    waits = [_length(step) for step in steps if step.kind == StepKind.HUMAN]
    gaps = fold((step.started_at, _end(step) or step.started_at) for step in steps if step.kind == StepKind.HUMAN)
    line = gaps if folded else Fold()
    page = page_of(run)
    failing = next((step for step in steps if step.status in FAILED), None)
    sums = Usage.objects.filter(run_id=run.pk).aggregate(
        n=Count("pk"), cost=Total("cost_nanousd"), unknown=Count("pk", filter=Q(cost_nanousd=None)),
        fresh=Sum("input_uncached"), read=Sum("cache_read"), written=Sum("cache_write"), out=Sum("output"),
    )  # fmt: skip
    return RunPage(
        heading=f"Run {name_of(run)}",
        run_id=str(run.pk),
        status=run.status,
        agent=run.agent.slug,
        agent_url=page_of(run.agent),
        version=f"v{run.version.number}" if run.version else "",
        version_url=page_of(run.version) if run.version else "",
        team=run.team,
        environment=run.environment,
        source=run.get_source_display(),
        trigger=" ".join(part for part in (run.trigger_source, run.trigger_detail) if part),
        task=run.task,
        external_id=run.external_id,
        event_id=run.event_id,
        started_at=run.started_at,
        ended_at=run.ended_at,
        lasted=run.duration,
        waited=sum(waits, timedelta()) if waits else None,
        received_at=run.received_at,
        calls=sums["n"],
        unpriced=sums["unknown"],
        nanousd=sums["cost"] or 0,
        tokens=sum(sums[name] or 0 for name in ("fresh", "read", "written", "out")),
        error_type=run.error_type,
        error=run.error_message,
        output=run.output_summary,
        failure_url=page_of(run.failure) if run.failure else "",
        parent_url=_run_url(run.parent_run, user),
        retry_url=_run_url(run.retry_of, user),
        flags=_flags(run.flags),
        steps=tuple(
            _line(step, costs, effects, (line, start, end), payload_url=_payload_url(run, step, opens))
            for step in steps
        ),
        more_url=f"{page}?from={start_at + MOST_STEPS}" if more else "",
        earlier_steps_url=f"{page}?from={max(start_at - MOST_STEPS, 0)}" if start_at else "",
        first_failure=str(failing.pk) if failing else "",
        earlier_url=_neighbour(run, user, later=False),
        later_url=_neighbour(run, user, later=True),
        fold_url=(page if folded else f"{page}?fold=1") if gaps.gaps else "",
        is_folded=folded,
    )


def _steps(run: Run, start_at: int) -> list[Step]:
    """Return the steps of one page and one more, if there is one."""
    return list(Step.objects.filter(run=run).in_order()[start_at : start_at + MOST_STEPS + 1])


def _opened(run: Run) -> tuple[int, list[Step]]:
    """Return where the page with the first failure begins, and its steps."""
    steps = _steps(run, 0)
    if len(steps) <= MOST_STEPS or any(step.status in FAILED for step in steps[:MOST_STEPS]):
        return 0, steps
    failing = Step.objects.filter(run=run).failed().in_order().first()
    if failing is None:
        return 0, steps
    # How many stand before it, by the order of `in_order()`.
    same = Q(started_at=failing.started_at)
    place = Q(position__lt=failing.position) | Q(position=failing.position, pk__lt=failing.pk)
    before = Step.objects.filter(Q(started_at__lt=failing.started_at) | same & place, run=run).count()
    start_at = before // MOST_STEPS * MOST_STEPS
    return start_at, _steps(run, start_at) if start_at else steps


def _line(
    step: Step,
    costs: Mapping[UUID, tuple[int | None, bool]],
    effects: Mapping[UUID, str],
    frame: tuple[Fold, datetime, datetime],
    *,
    payload_url: str,
) -> StepLine:
    line, start, end = frame
    ended = _end(step)
    cost, known = costs.get(step.pk, (None, False))
    usage: dict[str, Any] = step.usage or {}
    decision = step.decision_id if step.decision_id in effects else None
    return StepLine(
        id=str(step.pk),
        name=step.name,
        kind=step.get_kind_display(),
        status=step.status,
        started_at=step.started_at,
        lasted=timedelta(milliseconds=step.duration_ms) if step.duration_ms is not None else None,
        bar=charts.span(
            began=line.at(step.started_at),
            ended=line.at(ended) if ended else None,
            start=line.at(start),
            end=line.at(end),
        ),
        look=_look(step),
        model=usage.get("model", ""),
        tokens=_tokens(usage),
        nanousd=cost,
        has_cost=known,
        error=" ".join(part for part in (step.error_type, step.error_message) if part),
        decision_url=page_of(Decision(pk=decision)) if decision else "",
        effect=effects[decision] if decision else "",
        payload=_payload(step),
        payload_url=payload_url,
        flags=_flags(step.flags),
    )


def _look(step: Step) -> str:
    if step.kind == StepKind.HUMAN or step.status == RunStatus.WAITING:
        return "cp-waits"
    return "cp-failed" if step.status in FAILED else ""


def _length(step: Step) -> timedelta:
    return timedelta(milliseconds=min(step.duration_ms or 0, LONGEST_MS))


def _end(step: Step) -> datetime | None:
    return step.started_at + _length(step) if step.duration_ms is not None else None


def _tokens(usage: Mapping[str, Any]) -> str:
    if not usage:
        return ""
    cached = (usage.get("cache_read") or 0) + (usage.get("cache_write") or 0)
    parts = [f"{formats.count(usage.get('input_uncached') or 0)} in"]
    if cached:
        parts.append(f"{formats.count(cached)} cached")
    parts.append(f"{formats.count(usage.get('output') or 0)} out")
    return " · ".join(parts)


def _costs(run: Run) -> dict[UUID, tuple[int | None, bool]]:
    """Return cost by step; a step with an unpriced call has no known cost."""
    rows = Usage.objects.filter(run_id=run.pk, step_id__isnull=False).order_by().values("step_id")
    sums = rows.annotate(cost=Total("cost_nanousd"), unknown=Count("pk", filter=Q(cost_nanousd=None)))
    return {row["step_id"]: (None if row["unknown"] else row["cost"], True) for row in sums if row["step_id"]}


def _effects(steps: Sequence[Step]) -> dict[UUID, str]:
    wanted = {step.decision_id for step in steps if step.decision_id}
    return dict(Decision.objects.filter(pk__in=wanted).values_list("pk", "effect")) if wanted else {}


def _run_url(pk: UUID | None, user: User) -> str:
    row = Run.objects.visible_to(user).filter(pk=pk).first() if pk else None
    return page_of(row) if row else ""


def _neighbour(run: Run, user: User, *, later: bool) -> str:
    rows = Run.objects.visible_to(user).of_agent(run.agent_id).exclude(pk=run.pk)
    if later:
        row = rows.filter(started_at__gte=run.started_at).order_by("started_at", "id").first()
    else:
        row = rows.filter(started_at__lte=run.started_at).order_by("-started_at", "-id").first()
    return page_of(row) if row else ""


def _payload(step: Step) -> str:
    parts = [
        f"{name} {formats.count(size)} bytes{', cut' if cut else ''}, sha256 {formats.short_digest(digest)}"
        for name, size, digest, cut in (
            ("input", step.input_size, step.input_sha256, step.input_truncated),
            ("output", step.output_size, step.output_sha256, step.output_truncated),
        )
        if size is not None
    ]
    return "; ".join(parts)


def _payload_url(run: Run, step: Step, opens: bool) -> str:
    has_any = step.input_size is not None or step.output_size is not None
    return f"{page_of(run, 'step')}?step={step.pk}" if opens and has_any else ""


_FLAGS: Final[Mapping[str, str]] = {
    "stub": "only its name is known: nobody has reported it yet",
    "clamped": "its clock ran ahead; times were clamped",
    "backfilled": "reported long after it happened",
    "conflicting_terminal": "a second, other end was reported; the first one stays",
    "conflicting_content": "reported twice with other contents; the first one stays",
}


def _flags(flags: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_FLAGS.get(name, name) for name, value in flags.items() if value)
