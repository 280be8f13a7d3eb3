"""Replays for people: recorded decisions judged again by a revision that is not in force."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import django_filters as df
import msgspec
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from audit import sql
from controlplane.api import shapes
from controlplane.api.bodies import read_struct
from controlplane.api.filters import Choice, Since, Until, Word, earlier
from controlplane.api.people import DetailView, ListView, find, person_of, reads
from controlplane.api.policies import readable
from controlplane.operating.replaying import request_replay
from controlplane.operating.tasks import tell_replay
from policies.models import Replay, Revision
from policies.operations import cancel_replay
from policies.states import ReplayState

USUAL: Final = timedelta(days=30)
_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)
_ROWS = Replay.objects.select_related("revision", "asked_by").defer("memory", "revision__document")


class ReplayRowShape(s.Serializer[Any]):
    """One replay, without what came out."""

    id = s.UUIDField()
    revision = s.IntegerField(source="revision.number")
    digest = s.CharField(help_text="of the policy document that judges, hex; a draft that was saved since has another")
    since = s.DateTimeField(help_text="UTC; the first moment of the period")
    until = s.DateTimeField(help_text="UTC; the first moment after it")
    state = s.ChoiceField(ReplayState.choices)
    detail = s.CharField(help_text="why it failed")
    total = s.IntegerField(allow_null=True, help_text="decisions of the period, once counted")
    done = s.IntegerField(help_text="decisions judged so far")
    asked_by = s.CharField(source="asked_by.username")
    created_at = s.DateTimeField(help_text="UTC")
    ended_at = s.DateTimeField(allow_null=True, help_text="UTC")


class ReplayShape(ReplayRowShape):
    """One replay and what came out so far."""

    result = s.DictField(
        help_text="counts of `judged`, `unchanged`, `carried` (no policy decides them), `erased`; `newly_blocked`, "
        "`newly_allowed` and `newly_held` with count, agents, rules, effects, examples and spend in nano-USD; "
        "`reviewing`: seconds from measured times"
    )


class ReplayPeriodShape(s.Serializer[Any]):
    """Which decisions are judged again."""

    since = s.DateTimeField(required=False, allow_null=True, help_text="with offset; left out: thirty days earlier")
    until = s.DateTimeField(required=False, allow_null=True, help_text="with offset; left out: now")


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class PeriodBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a replay."""

    since: Moment | None = None
    until: Moment | None = None


class ReplayFilters(df.FilterSet):
    """Filters of replays."""

    state = Choice("state", ReplayState)
    digest = Word("digest")
    since = Since("created_at")
    until = Until("created_at")


@reads("list_replays")
class ReplaysView(ListView):
    """Replays of one revision: one's own; all for administrators and auditors."""

    queryset = _ROWS
    serializer_class = ReplayRowShape
    filterset_class = ReplayFilters

    def get_queryset(self) -> QuerySet[Any]:
        """Return the visible replays of the revision.

        Raises:
            Missing: there is no such revision, or they read none.
        """
        if getattr(self, "swagger_fake_view", False):
            return Replay.objects.none()
        revision = self._revision(self.request)
        return super().get_queryset().defer("result").filter(revision=revision)

    @extend_schema(
        operation_id="replay_policies", request=ReplayPeriodShape,
        responses={201: ReplayRowShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, number: int) -> Response:
        """Have the recorded decisions of a period judged again; a background task does it."""
        revision = self._revision(request)
        body: PeriodBody = read_struct(request, PeriodBody)
        now = sql.now()
        until = body.until or now
        replay = request_replay(
            revision=revision, since=body.since or earlier(until, USUAL), until=until, by=person_of(request), now=now,
            tell=tell_replay,
        )  # fmt: skip
        return Response(ReplayRowShape(replay).data, status=201)

    def _revision(self, request: Request) -> Revision:
        revision: Revision = find(readable(person_of(request)), number=self.kwargs["number"])
        return revision


@reads("get_replay")
class ReplayView(DetailView):
    """One replay with what came out."""

    queryset = _ROWS
    serializer_class = ReplayShape


class CancelReplayView(ReplayView):
    """Stop a replay."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="cancel_replay", request=None,
        responses={200: ReplayShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: Any) -> Response:
        """Stop it; what came out so far stays readable."""
        replay = self.find(request, id=id)
        cancel_replay(replay=replay, by=person_of(request), now=sql.now())
        return self.show(replay)
