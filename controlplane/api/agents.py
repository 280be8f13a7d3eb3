"""Agents for people: the register, pausing and resuming, commands, and keys without their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import django_filters as df
import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from audit import sql
from controlplane.api import shapes
from controlplane.api.bodies import read_struct
from controlplane.api.filters import Choice, Since, Until, Word
from controlplane.api.people import DetailView, ListView, find, person_of, reads, visible_rows
from registry.models import Agent, AgentKey, Command
from registry.operations import pause_agent, resume_agent, send_command
from registry.operations.commands import LIFE, LONGEST_LIFE
from registry.states import AgentState, CommandKind, CommandState, Enforcement, Environment, KeyState

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class AgentShape(s.Serializer[Any]):
    """An agent as it is registered."""

    slug = s.CharField()
    name = s.CharField()
    owner = s.CharField(source="owner.username")
    team = s.CharField(source="team.slug")
    purpose = s.CharField()
    capabilities = s.ListField(child=s.CharField(), help_text="of read, write, notify, execute")
    data_scopes = s.ListField(child=s.CharField(), help_text="names of the data it may touch")
    tags = s.ListField(child=s.CharField())
    enforcement = s.ChoiceField(Enforcement.choices)
    state = s.ChoiceField(AgentState.choices)
    state_reason = s.CharField()
    reported_state = s.CharField(help_text="what the agent last said of itself")
    epoch = s.IntegerField(help_text="rises with every transfer")
    created_at = s.DateTimeField(help_text="UTC")
    last_seen_at = s.DateTimeField(allow_null=True, help_text="UTC; last call with one of its keys, to the minute")


class CommandRowShape(s.Serializer[Any]):
    """Something an agent was told, and what it said."""

    id = s.UUIDField()
    agent = s.CharField(source="agent.slug")
    kind = s.ChoiceField(CommandKind.choices)
    parameters = s.DictField()
    state = s.ChoiceField(CommandState.choices)
    requested_at = s.DateTimeField(help_text="UTC")
    requested_by = s.CharField(source="requested_by.username")
    expires_at = s.DateTimeField(help_text="UTC; not acknowledged by then, it says so")
    delivered_at = s.DateTimeField(allow_null=True, help_text="UTC; last handed to the agent")
    reported_at = s.DateTimeField(allow_null=True, help_text="UTC")
    note = s.CharField(help_text="the agent's own words: untrusted")


class KeyShape(s.Serializer[Any]):
    """A key of an agent. Its secret is shown once, where it is issued, and is stored nowhere."""

    public_id = s.CharField()
    agent = s.CharField(source="agent.slug")
    environment = s.ChoiceField(Environment.choices)
    scopes = s.ListField(child=s.CharField())
    state = s.ChoiceField(KeyState.choices, help_text="expiry is compared at use")
    issued_at = s.DateTimeField(help_text="UTC")
    issued_by = s.CharField(source="issued_by.username")
    expires_at = s.DateTimeField(help_text="UTC")
    last_used_at = s.DateTimeField(allow_null=True, help_text="UTC, to the minute")


class PauseShape(s.Serializer[Any]):
    """Why an agent is paused."""

    reason = s.CharField(min_length=1, max_length=2000)


class ResumeShape(s.Serializer[Any]):
    """Why an agent may go on."""

    reason = s.CharField(max_length=2000, required=False)


class SendShape(s.Serializer[Any]):
    """What an agent is to be told."""

    kind = s.ChoiceField(CommandKind.choices)
    parameters = s.DictField(required=False, help_text="any JSON object, no secrets")
    ttl_seconds = s.IntegerField(
        required=False, min_value=1, max_value=int(LONGEST_LIFE.total_seconds()), default=int(LIFE.total_seconds()),
        help_text="seconds; not acknowledged in time, it expires",
    )  # fmt: skip


class PauseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a pause."""

    reason: Reason


class ResumeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a resumption."""

    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class SendBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a command."""

    kind: str
    parameters: dict[str, Any] = {}
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=int(LONGEST_LIFE.total_seconds()))] = int(LIFE.total_seconds())


class AgentFilters(df.FilterSet):
    """Filters of agents."""

    team = Word("team__slug")
    owner = Word("owner__username")
    state = Choice("state", AgentState)
    enforcement = Choice("enforcement", Enforcement)
    since = Since("created_at")
    until = Until("created_at")


class CommandFilters(df.FilterSet):
    """Filters of commands."""

    kind = Choice("kind", CommandKind)
    state = Choice("state", CommandState)
    since = Since("requested_at", by_id=True)
    until = Until("requested_at")


class KeyFilters(df.FilterSet):
    """Filters of keys."""

    agent = Word("agent__slug")
    environment = Choice("environment", Environment)
    state = Choice("state", KeyState)


@reads("list_agents")
class AgentsView(ListView):
    """Agents of the person's teams, and those they own."""

    queryset = Agent.objects.select_related("owner", "team")
    serializer_class = AgentShape
    filterset_class = AgentFilters
    orderings = ("slug", "name", "created_at")


@reads("get_agent")
class OneAgentView(DetailView):
    """One agent."""

    queryset = Agent.objects.select_related("owner", "team")
    serializer_class = AgentShape


class PauseView(OneAgentView):
    """Stop an agent."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="pause_agent", request=PauseShape,
        responses={200: AgentShape, **shapes.problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Pause: the agent's very next ask or redemption is refused. Its reports are still taken."""
        body: PauseBody = read_struct(request, PauseBody)
        agent = self.find(request, slug=slug)
        pause_agent(agent=agent, reason=body.reason, by=person_of(request), now=sql.now())
        return self.show(agent)


class ResumeView(OneAgentView):
    """Let an agent go on."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="resume_agent", request=ResumeShape,
        responses={200: AgentShape, **shapes.problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Resume a paused agent."""
        body: ResumeBody = read_struct(request, ResumeBody)
        agent = self.find(request, slug=slug)
        resume_agent(agent=agent, reason=body.reason, by=person_of(request), now=sql.now())
        return self.show(agent)


@reads("list_commands")
class AgentCommandsView(ListView):
    """What one agent was told. The agent itself polls ``/api/v1/commands``."""

    queryset = Command.objects.select_related("agent", "requested_by")
    serializer_class = CommandRowShape
    filterset_class = CommandFilters

    def get_queryset(self) -> Any:
        """Return the agent's commands.

        Raises:
            Missing: no such agent, or not theirs to see.
        """
        if getattr(self, "swagger_fake_view", False):
            return Command.objects.none()
        agent = self._agent(self.request)
        return super().get_queryset().filter(agent=agent)

    @extend_schema(
        operation_id="send_command", request=SendShape,
        responses={201: CommandRowShape, **shapes.problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Tell the agent to start, to stop, or to take a task; it learns of it when it polls."""
        body: SendBody = read_struct(request, SendBody)
        command = send_command(
            agent=self._agent(request),
            kind=body.kind,
            parameters=body.parameters,
            ttl=timedelta(seconds=body.ttl_seconds),
            by=person_of(request),
            now=sql.now(),
        )
        return Response(CommandRowShape(command).data, status=201)

    def _agent(self, request: Request) -> Agent:
        rows = visible_rows(Agent.objects.select_related("team"), person_of(request))
        agent: Agent = find(rows, slug=self.kwargs["slug"])
        return agent


@reads("get_command")
class AgentCommandView(DetailView):
    """One command."""

    queryset = Command.objects.select_related("agent", "requested_by")
    serializer_class = CommandRowShape

    def find(self, request: Request, **path: Any) -> Any:
        """Return the command of the agent that the path names.

        Raises:
            Missing: there is none, or it is not theirs to see.
        """
        return super().find(request, agent__slug=path["slug"], id=path["id"])


@reads("list_keys")
class KeysView(ListView):
    """Keys of visible agents, without their secrets."""

    queryset = AgentKey.objects.select_related("agent", "issued_by")
    serializer_class = KeyShape
    filterset_class = KeyFilters
    orderings = ("-issued_at", "expires_at")


@reads("get_key")
class KeyView(DetailView):
    """One key, without its secret."""

    queryset = AgentKey.objects.select_related("agent", "issued_by")
    serializer_class = KeyShape
