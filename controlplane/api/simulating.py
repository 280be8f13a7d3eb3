"""What the policies would say to one made-up action: judged, and nothing is written or taken."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from audit import sql
from controlplane.api import shapes
from controlplane.api.bodies import below, read_struct
from controlplane.api.people import PersonView, find, person_of, visible_rows
from controlplane.api.policies import readable
from controlplane.gateway.answers import moment
from controlplane.gateway.bodies import declared_of
from controlplane.gateway.trying import read_action, try_action
from policies.explaining import Near
from policies.facts import Action, Verdict
from policies.operations.decisions import reasons_as_json
from registry.models import Agent, User
from registry.states import Environment


class SimulateBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a simulation."""

    agent: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    action: Any
    environment: str = Environment.PRODUCTION.value
    revision: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class SimulateShape(s.Serializer[Any]):
    """A made-up action."""

    agent = s.CharField(min_length=1, max_length=64, help_text="slug of a visible agent")
    action = shapes.AskShape(help_text="as the agent would ask")
    environment = s.ChoiceField(Environment.choices, required=False, default=Environment.PRODUCTION.value)
    revision = s.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="number of the revision to judge by; left out: in force"
    )
    at = s.DateTimeField(required=False, allow_null=True, help_text="when it is asked, with offset; left out: now")


class ActionFactsShape(s.Serializer[Any]):
    """What counts of the action, after extraction."""

    capability = s.CharField()
    destinations = s.ListField(child=s.CharField())
    units = s.IntegerField(help_text="how many things it touches")
    data_classes = s.ListField(child=s.CharField())


class WouldHaveShape(s.Serializer[Any]):
    """What one shadow policy would have made of it."""

    policy = s.CharField()
    effect = s.CharField()
    reasons = shapes.ReasonShape(many=True)


class MissShape(s.Serializer[Any]):
    """A selector that did not match."""

    selector = s.CharField(
        help_text="scope, verb, destination, data_class, capability, amount_over, provenance, when, batch"
    )
    text = s.CharField(help_text="what the rule wants and what there was")


class NearestShape(s.Serializer[Any]):
    """An allow or review rule that came near."""

    policy = s.CharField()
    rule = s.CharField()
    kind = s.CharField()
    shadow = s.BooleanField(help_text="its policy only records")
    misses = MissShape(many=True, help_text="empty where the rule permitted the action")


class SimulatedShape(s.Serializer[Any]):
    """What the policies alone would say; limits count as unused, budgets are not asked."""

    effect = s.ChoiceField(["allow", "deny", "review", "throttle"])
    reasons = shapes.ReasonShape(many=True)
    queues = s.ListField(child=s.CharField(), help_text="every one of them would have to approve")
    limits = s.ListField(child=s.CharField(), help_text="keys of the limits that would be taken")
    retry_at = s.DateTimeField(allow_null=True, help_text="UTC")
    obligations = s.ListField(
        child=s.DictField(), help_text="{name, value, policy, rule}: what the agent has to do besides"
    )
    would_have = WouldHaveShape(many=True)
    policy_revision = s.IntegerField(help_text="0: nothing is published")
    action = ActionFactsShape(allow_null=True, help_text="null where nothing could be extracted")
    nearest = NearestShape(many=True, help_text="the rules that came nearest to permitting it, the nearest first")


class SimulateView(PersonView):
    """Try the policies."""

    @extend_schema(
        operation_id="simulate", request=SimulateShape,
        responses={200: SimulatedShape, **shapes.problems(400, 401, 404, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Judge one made-up action of an agent. Nothing is recorded, nothing is taken."""
        body: SimulateBody = read_struct(request, SimulateBody, may_hold_secrets=True)
        return Response(simulate(body, by=person_of(request), now=sql.now()))


def simulate(body: SimulateBody, *, by: User, now: datetime) -> dict[str, Any]:
    """Judge a made-up action.

    Args:
        body: the question.
        by: who asks; sees the agent, and the revision that is named.
        now: aware UTC.

    Raises:
        Missing: no such agent or revision, or not theirs to see.
        Invalid: the action cannot be read, with a pointer.
    """
    agent = find(visible_rows(Agent.objects.all(), by), slug=body.agent)
    with below("/action"):
        action = read_action(body.action)
        declared_of(action)
    revision = None if body.revision is None else find(readable(by), number=body.revision)
    tried = try_action(
        agent=agent, body=action, environment=body.environment, revision=revision, at=body.at, now=now
    )  # fmt: skip
    return {**_told(tried.action, tried.verdict, tried.revision), "nearest": [_nearest(near) for near in tried.near]}


def _nearest(near: Near) -> dict[str, Any]:
    misses = [{"selector": miss.selector, "text": miss.text} for miss in near.misses]
    return {"policy": near.policy, "rule": near.rule, "kind": near.kind, "shadow": near.shadow, "misses": misses}


def _told(action: Action | None, verdict: Verdict, revision: int) -> dict[str, Any]:
    return {
        "effect": str(verdict.effect),
        "reasons": reasons_as_json(verdict.reasons),
        "queues": list(verdict.queues),
        "limits": [demand.key for demand in verdict.limits],
        "retry_at": moment(verdict.retry_at) if verdict.retry_at else None,
        "obligations": [dict(each) for each in verdict.obligations],
        "would_have": [
            {"policy": each.policy, "effect": str(each.effect), "reasons": reasons_as_json(each.reasons)}
            for each in verdict.would_have
        ],
        "policy_revision": revision,
        "action": None
        if action is None
        else {
            "capability": action.capability,
            "destinations": [str(each) for each in action.destinations],
            "units": action.units,
            "data_classes": sorted(action.data_classes),
        },
    }
