"""Runs and failures: people read them where agents report them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import django_filters as df
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import sql
from audit.refusals import Missing
from controlplane.api import reports, shapes
from controlplane.api.authentication import AgentKeyAuthentication, HasScope, PersonAuthentication
from controlplane.api.filters import Choice, Id, Since, Until, Word, refuse_parameters
from controlplane.api.people import DetailView, ListView, find, person_of, reads, visible_rows
from registry.states import Environment, KeyScope
from runs.models import Failure, Run, Step
from runs.operations import read_payload
from runs.permissions import may_read_payload
from runs.preparing import name_uuid
from runs.states import FailureState, RunSource, RunStatus, StepKind

_WRITE_PROBLEMS = (400, 401, 403, 409, 413, 415, 422)
# Definitions of versions are large, and only their numbers are shown.
RUNS = Run.objects.select_related("agent", "version").defer("version__definition")
FAILURES = Failure.objects.select_related("agent", "assigned_to", "first_version", "resolved_in").defer(
    "first_version__definition", "resolved_in__definition"
)


class SharedAddress(APIView):
    """An address that people read by session and agents write to by key: the method says who is asked for."""

    scope: ClassVar[str] = KeyScope.INGEST

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return how the caller proves who they are."""
        return [PersonAuthentication()] if self._is_read() else [AgentKeyAuthentication()]

    def get_permissions(self) -> list[BasePermission]:
        """Return what the caller must be."""
        return [IsAuthenticated()] if self._is_read() else [HasScope()]

    def _is_read(self) -> bool:
        # The schema's generator asks once before there is a request.
        return getattr(self.request, "method", "GET") in {"GET", "HEAD"}


class RunShape(s.Serializer[Any]):
    """One execution of an agent."""

    id = s.UUIDField()
    agent = s.CharField(source="agent.slug")
    team = s.CharField(help_text="slug of the agent's team at that time")
    environment = s.ChoiceField(Environment.choices)
    version = s.IntegerField(source="version.number", default=None, allow_null=True, help_text="number in the agent")
    event_id = s.CharField(help_text="the reporter's id")
    external_id = s.CharField(help_text="its id in the system that ran it, or empty")
    source = s.ChoiceField(RunSource.choices, help_text="by which road it was reported")  # type: ignore[assignment]  # a field's own name
    status = s.ChoiceField(RunStatus.choices)
    trigger_source = s.CharField()
    trigger_detail = s.CharField()
    task = s.CharField()
    started_at = s.DateTimeField(help_text="UTC, by the client's clock, clamped")
    ended_at = s.DateTimeField(allow_null=True, help_text="UTC, by the client's clock, clamped")
    received_at = s.DateTimeField(help_text="UTC, by the server's clock: first heard of")
    last_event_at = s.DateTimeField(help_text="UTC, by the server's clock: last heard of, its steps included")
    error_type = s.CharField()
    error_message = s.CharField()
    output_summary = s.CharField()
    parent_ref = s.CharField(allow_null=True, help_text="a name of the run that started it")
    parent_run = s.UUIDField(allow_null=True, help_text="that run, once it is known")
    retry_ref = s.CharField(allow_null=True, help_text="a name of the run that it repeats")
    retry_of = s.UUIDField(allow_null=True, help_text="that run, once it is known")
    failure = s.UUIDField(source="failure_id", allow_null=True, help_text="the group that its failure belongs to")
    flags = s.DictField(help_text="stub, clamped, backfilled, conflicting_terminal, conflicting_content")


class StepRowShape(s.Serializer[Any]):
    """One unit of work inside a run, without what went in and out."""

    id = s.UUIDField()
    event_id = s.CharField(help_text="the reporter's id")
    name = s.CharField()
    kind = s.ChoiceField(StepKind.choices)
    status = s.ChoiceField(RunStatus.choices)
    started_at = s.DateTimeField(help_text="UTC, by the client's clock, clamped")
    duration_ms = s.IntegerField(allow_null=True, help_text="milliseconds")
    error_type = s.CharField()
    error_message = s.CharField()
    usage = reports.TokensShape(allow_null=True)
    action_id = s.UUIDField(source="decision_id", allow_null=True, help_text="the action that it carries out")
    input_size = s.IntegerField(allow_null=True, help_text="bytes of the whole, redacted")
    input_sha256 = s.CharField(help_text="of the whole, hex, or empty")
    output_size = s.IntegerField(allow_null=True, help_text="bytes of the whole, redacted")
    output_sha256 = s.CharField(help_text="of the whole, hex, or empty")
    received_at = s.DateTimeField(help_text="UTC, by the server's clock")
    failure = s.UUIDField(source="failure_id", allow_null=True, help_text="the group that its failure belongs to")
    flags = s.DictField(help_text="clamped, backfilled, conflicting_terminal, conflicting_content")


class StepShape(StepRowShape):
    """One step, with its payload for those who may read it, which is audited."""

    input = s.CharField(allow_null=True, help_text="redacted, at most 64 KiB; null where it is not yours to read")
    output = s.CharField(allow_null=True, help_text="likewise")


class FailureShape(s.Serializer[Any]):
    """Failures that look alike."""

    id = s.UUIDField()
    agent = s.CharField(source="agent.slug")
    fingerprint = s.CharField(help_text="SHA-256 of error type, normalised message, step; hex")
    error_type = s.CharField()
    message = s.CharField(help_text="of the first occurrence, redacted")
    step_name = s.CharField(help_text="empty: the run as a whole")
    state = s.ChoiceField(FailureState.choices)
    count = s.IntegerField(help_text="occurrences")
    first_seen = s.DateTimeField(help_text="UTC, by the client's clock")
    last_seen = s.DateTimeField(help_text="UTC, by the client's clock")
    first_version = s.IntegerField(source="first_version.number", default=None, allow_null=True)
    resolved_at = s.DateTimeField(allow_null=True, help_text="UTC")
    resolved_in = s.IntegerField(
        source="resolved_in.number", default=None, allow_null=True,
        help_text="number of the version; occurrences in earlier ones do not bring it back",
    )  # fmt: skip
    muted_until = s.DateTimeField(allow_null=True, help_text="UTC")
    muted_until_count = s.IntegerField(allow_null=True, help_text="occurrences")
    assigned_to = s.CharField(source="assigned_to.username", default=None, allow_null=True)


class RunFilters(df.FilterSet):
    """Filters of runs."""

    agent = Word("agent__slug")
    team = Word("team")
    environment = Choice("environment", Environment)
    source = Choice("source", RunSource)
    status = Choice("status", RunStatus)
    task = Word("task")
    event_id = Word("event_id")
    external_id = Word("external_id")
    failure = Id("failure_id")
    since = Since("started_at")
    until = Until("started_at")


class StepFilters(df.FilterSet):
    """Filters of steps."""

    kind = Choice("kind", StepKind)
    status = Choice("status", RunStatus)


class FailureFilters(df.FilterSet):
    """Filters of failures."""

    agent = Word("agent__slug")
    state = Choice("state", FailureState)
    error_type = Word("error_type")
    assigned_to = Word("assigned_to__username")
    since = Since("last_seen")
    until = Until("last_seen")


@reads("list_runs")
class RunsView(SharedAddress, ListView):
    """Runs of the person's teams, as these were then, and of agents they own."""

    queryset = RUNS
    serializer_class = RunShape
    filterset_class = RunFilters
    orderings = ("-started_at", "-id")

    @extend_schema(
        operation_id="report_run", request=reports.RunReportShape,
        responses={
            200: reports.ReportedShape, 201: reports.ReportedShape, **shapes.problems(*_WRITE_PROBLEMS),
        },
    )  # fmt: skip
    def post(self, request: Request) -> HttpResponse:
        """Report a run, or more about a run. 201: something new was kept; 200: all of it was known."""
        return reports.post_run(request)


class RunView(SharedAddress, DetailView):
    """One run."""

    queryset = RUNS
    serializer_class = RunShape

    @extend_schema(operation_id="get_run", responses={200: RunShape, **shapes.problems(400, 401, 404)})
    def get(self, request: Request, **path: Any) -> Response:
        """Read a run."""
        return super().get(request, id=_run_id(path["run"]))

    @extend_schema(
        operation_id="change_run", request=reports.RunChangeShape,
        responses={200: reports.ReportedShape, **shapes.problems(*_WRITE_PROBLEMS, 404)},
    )  # fmt: skip
    def patch(self, request: Request, run: str) -> HttpResponse:
        """Report what changed about a run of yours."""
        return reports.patch_run(request, _run_id(run))


@reads("list_steps")
class StepsView(SharedAddress, ListView):
    """The steps of one run, as they happened, without what went in and out."""

    queryset = Step.objects.all()
    serializer_class = StepRowShape
    filterset_class = StepFilters
    orderings = ("started_at",)

    def get_queryset(self) -> Any:
        """Return the run's steps.

        Raises:
            Missing: no such run, or not theirs to see.
        """
        run = find(visible_rows(Run.objects.all(), person_of(self.request)), id=_run_id(self.kwargs["run"]))
        return self.queryset.all().filter(run=run)

    @extend_schema(
        operation_id="report_step", request=reports.StepReportShape,
        responses={
            200: reports.ReportedShape, 201: reports.ReportedShape, **shapes.problems(*_WRITE_PROBLEMS, 404),
        },
    )  # fmt: skip
    def post(self, request: Request, run: str) -> HttpResponse:
        """Report a step of a run of yours. A batch takes steps whose run nobody reported yet."""
        return reports.post_step(request, _run_id(run))


class StepView(DetailView):
    """One step."""

    queryset = Step.objects.select_related("agent", "run__agent")
    serializer_class = StepShape

    @extend_schema(operation_id="get_step", responses={200: StepShape, **shapes.problems(400, 401, 404)})
    def get(self, request: Request, **path: Any) -> Response:
        """Read a step. Reading its payload leaves an entry in the trail."""
        refuse_parameters(request)
        step: Step = self.find(request, run_id=_run_id(path["run"]), id=path["id"])
        taken = given = None
        if may_read_payload(person_of(request), step.run):
            payload = read_payload(step=step, by=person_of(request), now=sql.now())
            taken, given = payload.input, payload.output
        return Response({**StepRowShape(step).data, "input": taken, "output": given})


@reads("list_failures")
class FailuresView(ListView):
    """Like failures, grouped; the last seen first."""

    queryset = FAILURES
    serializer_class = FailureShape
    filterset_class = FailureFilters
    orderings = ("-last_seen", "-first_seen", "-count")


@reads("get_failure")
class FailureView(DetailView):
    """Failures that look alike."""

    queryset = FAILURES
    serializer_class = FailureShape


def _run_id(name: str) -> UUID:
    """Return the id that an address names.

    Raises:
        Missing: it is no id.
    """
    found = name_uuid(name)
    if found is None:
        raise Missing
    return found
