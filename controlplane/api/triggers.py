"""Threshold triggers for people: written, tried on history, watched, armed again."""

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
from controlplane.api.filters import Choice, Since, Until, Word
from controlplane.api.people import DetailView, ListView, find, person_of, reads, visible_rows
from controlplane.api.tags import BY_DIGEST, gives_tag, read_match, wants_match
from policies.models import Firing, Trigger
from policies.operations import rearm, save_trigger, try_trigger
from policies.operations.triggers import definition_of
from policies.states import FiringState, Measure, TriggerMode

_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)
_GUARDED_PROBLEMS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 428)
_IF_MATCH, _ETAG = wants_match("trigger"), gives_tag("Names what the trigger says.")
_TRIGGERS = Trigger.objects.select_related("agent__team", "team")
_FIRINGS = Firing.objects.select_related("trigger", "agent", "rearmed_by")


class TriggerFieldsShape(s.Serializer[Any]):
    """What a trigger is; without agent and team it is about everyone."""

    count = s.ChoiceField(Measure.choices)
    agent = s.CharField(required=False, max_length=64, help_text="slug of the agent watched")
    team = s.CharField(required=False, max_length=64, help_text="slug of the team watched")
    each_agent = s.BooleanField(required=False, help_text="every agent of the scope is counted by itself")
    more_than = s.IntegerField(required=False, min_value=0, max_value=2**53 - 1, help_text="denials or failures")
    more_than_usd = s.CharField(required=False, max_length=21, help_text="spend, decimal text: 5.00")
    per = s.CharField(max_length=10, help_text="window in whole minutes, 1m to 7d")
    mode = s.ChoiceField(TriggerMode.choices, required=False, help_text="warn and enforce only as it was tried")
    note = s.CharField(required=False, max_length=2000, help_text="for the reader")


class NewTriggerShape(TriggerFieldsShape):
    """A new trigger."""

    slug = s.RegexField(r"^[a-z0-9][a-z0-9_-]{0,63}$")


class TriggerShape(s.Serializer[Any]):
    """One trigger."""

    slug = s.CharField()
    document = s.SerializerMethodField(help_text="in the form that `apply` reads")
    sentence = s.SerializerMethodField(help_text="the same in plain words")
    mode = s.ChoiceField(TriggerMode.choices)
    tried_at = s.DateTimeField(allow_null=True, help_text="UTC; null: not tried as it is now")
    trial = s.DictField(help_text="when it would have fired: since, until, times, subjects, excursions")

    def get_document(self, row: Trigger) -> dict[str, Any]:
        """Return the document."""
        return definition_of(row).document

    def get_sentence(self, row: Trigger) -> str:
        """Return the sentence."""
        return definition_of(row).sentence


class FiringShape(s.Serializer[Any]):
    """One excursion above a trigger's threshold."""

    id = s.UUIDField()
    trigger = s.CharField(source="trigger.slug")
    subject = s.CharField(help_text="slug of the agent or team, or everyone")
    state = s.ChoiceField(FiringState.choices)
    mode = s.ChoiceField(TriggerMode.choices, help_text="of the trigger then")
    measured = s.IntegerField(help_text="what was counted; nano-USD for spend")
    more_than = s.IntegerField(help_text="the threshold then")
    window_seconds = s.IntegerField(help_text="seconds; counted in whole minutes")
    paused = s.ListField(child=s.CharField(), help_text="slugs of the agents that it paused")
    at = s.DateTimeField(help_text="UTC")
    rearmed_at = s.DateTimeField(allow_null=True, help_text="UTC")
    rearmed_by = s.CharField(source="rearmed_by.username", default=None, allow_null=True)


Slug = Annotated[str, msgspec.Meta(max_length=64)]


class TriggerBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Body of a trigger."""

    count: str
    per: Annotated[str, msgspec.Meta(max_length=10)]
    agent: Slug | msgspec.UnsetType = msgspec.UNSET
    team: Slug | msgspec.UnsetType = msgspec.UNSET
    each_agent: bool | msgspec.UnsetType = msgspec.UNSET
    more_than: int | msgspec.UnsetType = msgspec.UNSET
    more_than_usd: Annotated[str, msgspec.Meta(max_length=21)] | msgspec.UnsetType = msgspec.UNSET
    mode: str | msgspec.UnsetType = msgspec.UNSET
    note: Annotated[str, msgspec.Meta(max_length=2000)] | msgspec.UnsetType = msgspec.UNSET


class NewTriggerBody(TriggerBody, forbid_unknown_fields=True, frozen=True, omit_defaults=True, kw_only=True):
    """Body of a new trigger."""

    slug: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


def told(trigger: Trigger, *, status: int = 200) -> Response:
    """Render a trigger with its ETag, which a trial does not change."""
    tag = {"ETag": f'"{definition_of(trigger).full_digest}"'}
    return Response(TriggerShape(trigger).data, status=status, headers=tag)


def _document(body: TriggerBody) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(body)
    found.pop("slug", None)
    return found


class TriggerFilters(df.FilterSet):
    """Filters of triggers."""

    count = Choice("measure", Measure)
    mode = Choice("mode", TriggerMode)
    agent = Word("agent__slug")
    team = Word("team__slug")


class FiringFilters(df.FilterSet):
    """Filters of firings."""

    state = Choice("state", FiringState)
    subject = Word("subject")
    since = Since("at")
    until = Until("at")


@reads("list_triggers")
class TriggersView(ListView):
    """Triggers over visible agents and teams, and over everyone."""

    queryset = _TRIGGERS
    serializer_class = TriggerShape
    filterset_class = TriggerFilters
    orderings = ("slug",)

    @extend_schema(
        operation_id="create_trigger", parameters=[_ETAG], request=NewTriggerShape,
        responses={201: TriggerShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Write a new trigger. To let it warn or enforce, try it on history first."""
        body: NewTriggerBody = read_struct(request, NewTriggerBody)
        trigger = save_trigger(slug=body.slug, document=_document(body), by=person_of(request), now=sql.now(), new=True)
        return told(trigger, status=201)


@reads("get_trigger")
class TriggerView(DetailView):
    """One trigger."""

    queryset = _TRIGGERS
    serializer_class = TriggerShape

    def show(self, row: Any, *, status: int = 200) -> Response:
        """Render a trigger, with the ETag that a write has to carry."""
        return told(row, status=status)

    @extend_schema(
        operation_id="change_trigger", parameters=[_IF_MATCH, _ETAG], request=TriggerFieldsShape,
        responses={200: TriggerShape, **shapes.problems(*_GUARDED_PROBLEMS)},
    )  # fmt: skip
    def put(self, request: Request, slug: str) -> Response:
        """Write the trigger anew, as a whole.

        Refused with 412 where somebody saved it since it was read; a trial changes no ETag.
        """
        trigger = self.find(request, slug=slug)
        seen = read_match(request, BY_DIGEST)
        body: TriggerBody = read_struct(request, TriggerBody)
        saved = save_trigger(
            slug=trigger.slug, document=_document(body), by=person_of(request), now=sql.now(), seen=seen
        )
        return self.show(saved)


class TryTriggerView(TriggerView):
    """Try a trigger on history."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="try_trigger", request=None,
        responses={200: TriggerShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Find out when it would have fired in the last thirty days."""
        trigger = self.find(request, slug=slug)
        return self.show(try_trigger(trigger=trigger, by=person_of(request), now=sql.now()))


@reads("list_firings")
class FiringsView(ListView):
    """When one trigger fired, as far as visible teams and agents are concerned."""

    queryset = _FIRINGS
    serializer_class = FiringShape
    filterset_class = FiringFilters

    def get_queryset(self) -> Any:
        """Return the visible firings.

        Raises:
            Missing: no such trigger, or not theirs to see.
        """
        if getattr(self, "swagger_fake_view", False):
            return Firing.objects.none()
        trigger = find(visible_rows(_TRIGGERS, person_of(self.request)), slug=self.kwargs["slug"])
        return super().get_queryset().filter(trigger=trigger)


class RearmView(DetailView):
    """Arm a trigger again."""

    http_method_names = ["post"]
    queryset = _FIRINGS
    serializer_class = FiringShape

    @extend_schema(
        operation_id="rearm_trigger", request=None,
        responses={200: FiringShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: Any) -> Response:
        """Arm it again for one subject. What it paused stays paused: resuming is a call of its own."""
        firing = self.find(request, id=id)
        rearm(firing=firing, by=person_of(request), now=sql.now())
        return self.show(firing)
