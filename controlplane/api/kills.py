"""Kill switches for people: what is stopped, stopping more, lifting, letting one agent out."""

from __future__ import annotations

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
from controlplane.api.filters import Choice, Since, Until
from controlplane.api.people import DetailView, ListView, find, person_of, reads, visible_rows
from registry.models import Agent, KillExemption, KillSwitch
from registry.operations import kill, let_out, lift, put_back
from registry.states import KillScope, KillState

Why = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)


class KillSwitchShape(s.Serializer[Any]):
    """Something that stops every agent of a scope until it is lifted."""

    id = s.IntegerField()
    scope = s.ChoiceField(KillScope.choices)
    value = s.CharField(help_text="slug of the agent or team, or the tag; empty for every agent")
    reason = s.CharField()
    state = s.ChoiceField(KillState.choices)
    thrown_at = s.DateTimeField(help_text="UTC")
    thrown_by = s.CharField(source="thrown_by.username")
    lifted_at = s.DateTimeField(allow_null=True, help_text="UTC")


class ExemptionShape(s.Serializer[Any]):
    """One agent that a switch in force does not stop."""

    agent = s.CharField(source="agent.slug")
    reason = s.CharField()
    let_out_at = s.DateTimeField(help_text="UTC")
    let_out_by = s.CharField(source="let_out_by.username")


class ThrowShape(s.Serializer[Any]):
    """What to stop, and why."""

    scope = s.ChoiceField(KillScope.choices)
    value = s.CharField(required=False, max_length=120, allow_blank=True, help_text="empty for every agent")
    reason = s.CharField(min_length=1, max_length=2000)


class LiftShape(s.Serializer[Any]):
    """Why the agents may go on."""

    reason = s.CharField(required=False, max_length=2000, allow_blank=True)


class LetOutShape(s.Serializer[Any]):
    """Which agent is let out, and why."""

    agent = s.CharField(min_length=1, max_length=64, help_text="slug")
    reason = s.CharField(min_length=1, max_length=2000)


class ThrowBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a kill switch."""

    scope: str
    reason: Why
    value: Annotated[str, msgspec.Meta(max_length=120)] = ""


class LiftBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a lifting."""

    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class LetOutBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of an exemption."""

    agent: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    reason: Why


class KillFilters(df.FilterSet):
    """Filters of kill switches."""

    scope = Choice("scope", KillScope)
    state = Choice("state", KillState)
    since = Since("thrown_at")
    until = Until("thrown_at")


@reads("list_kill_switches")
class KillSwitchesView(ListView):
    """Switches over visible teams and agents, and those that stop a tag or everything."""

    queryset = KillSwitch.objects.select_related("thrown_by", "team")
    serializer_class = KillSwitchShape
    filterset_class = KillFilters
    orderings = ("-thrown_at",)

    @extend_schema(
        operation_id="throw_kill_switch", request=ThrowShape,
        responses={201: KillSwitchShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Stop every agent of a scope: its next ask or redemption is refused. Reports are still taken."""
        body: ThrowBody = read_struct(request, ThrowBody)
        switch = kill(scope=body.scope, value=body.value, reason=body.reason, by=person_of(request), now=sql.now())
        return Response(KillSwitchShape(switch).data, status=201)


@reads("get_kill_switch")
class KillSwitchView(DetailView):
    """One kill switch."""

    queryset = KillSwitch.objects.select_related("thrown_by", "team")
    serializer_class = KillSwitchShape


class LiftView(KillSwitchView):
    """Let the agents go on."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="lift_kill_switch", request=LiftShape,
        responses={200: KillSwitchShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, id: int) -> Response:
        """Lift the switch; agents that are not stopped otherwise may ask at once."""
        body: LiftBody = read_struct(request, LiftBody)
        switch = self.find(request, id=id)
        lift(switch=switch, reason=body.reason, by=person_of(request), now=sql.now())
        return self.show(switch)


class ExemptionsView(KillSwitchView):
    """Let one agent out."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="let_agent_out", request=LetOutShape,
        responses={201: ExemptionShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, id: int) -> Response:
        """Let one agent out of the switch: its very next ask is judged as if the switch were not there."""
        body: LetOutBody = read_struct(request, LetOutBody)
        person = person_of(request)
        agent = find(visible_rows(Agent.objects.select_related("team"), person), slug=body.agent)
        switch = self.find(request, id=id)
        exemption = let_out(switch=switch, agent=agent, reason=body.reason, by=person, now=sql.now())
        return Response(ExemptionShape(exemption).data, status=201)


class ExemptionView(KillSwitchView):
    """Put an agent back."""

    http_method_names = ["delete"]

    @extend_schema(
        operation_id="put_agent_back", request=None,
        responses={204: None, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def delete(self, request: Request, id: int, agent: str) -> Response:
        """Put an agent back under the switch: its very next ask is refused."""
        person = person_of(request)
        rows = KillExemption.objects.select_related("agent__team", "switch")
        exemption = find(visible_rows(rows, person), switch=self.find(request, id=id), agent__slug=agent)
        put_back(exemption=exemption, by=person, now=sql.now())
        return Response(status=204)
