"""Webhooks for people: where events go, and what came of each."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

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
from controlplane.api.filters import Choice, Id, Since, Until, Word
from controlplane.api.people import DetailView, ListView, find, person_of, reads, visible_rows
from controlplane.api.tags import BY_DIGEST, gives_tag, read_match, wants_match
from controlplane.delivery import operations
from controlplane.delivery.models import Attempt, Delivery, Endpoint
from controlplane.delivery.operations import Wanted, digest_of
from controlplane.delivery.states import DeliveryState, EndpointState, Means
from registry.models import Team

Words = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]], msgspec.Meta(max_length=100)]
_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)
_IF_MATCH, _ETAG = wants_match("webhook"), gives_tag("Names what the webhook is like.")


class EndpointShape(s.Serializer[Any]):
    """Somebody's address for events. Its secrets are shown once, when they are made."""

    id = s.UUIDField()
    name = s.CharField()
    team = s.CharField(source="audit_team", help_text="slug of the team whose events it gets; empty for everybody's")
    url = s.CharField()
    kinds = s.ListField(child=s.CharField(), help_text="kinds or families (approval.*); empty: all")
    agents = s.ListField(child=s.CharField(), help_text="slugs; empty: all")
    teams = s.ListField(child=s.CharField(), help_text="slugs, for everybody's webhooks; empty: all")
    state = s.ChoiceField(EndpointState.choices)
    state_reason = s.CharField()
    secret_hint = s.CharField(help_text="last four characters of the secret")
    previous_until = s.DateTimeField(allow_null=True, help_text="UTC; until then the secret before signs as well")
    failures = s.IntegerField(help_text="in a row")
    probe_at = s.DateTimeField(allow_null=True, help_text="UTC; while broken, the next try")
    created_at = s.DateTimeField(help_text="UTC; events from then on")
    created_by = s.CharField(source="created_by.username")


class NewEndpointShape(EndpointShape):
    """A webhook and its secret, which is shown this once."""

    secret = s.CharField(help_text="whsec_…, as Standard Webhooks' libraries take it")


class WantedShape(s.Serializer[Any]):
    """What a webhook is to be like."""

    name = s.CharField(min_length=1, max_length=80)
    url = s.CharField(min_length=1, max_length=2048, help_text="https; http for hosts that the operator lists")
    kinds = s.ListField(child=shapes.label(), required=False, max_length=100)
    agents = s.ListField(child=shapes.label(), required=False, max_length=100)
    teams = s.ListField(child=shapes.label(), required=False, max_length=100)


class ConnectShape(WantedShape):
    """What to make, and for whose events."""

    team = s.CharField(required=False, max_length=64, allow_blank=True, help_text="slug; empty for everybody's events")


class DisableShape(s.Serializer[Any]):
    """Why it is disabled."""

    reason = s.CharField(required=False, max_length=200, allow_blank=True)


class ReplayedShape(s.Serializer[Any]):
    """How many were begun again."""

    replayed = s.IntegerField()


class AttemptShape(s.Serializer[Any]):
    """One try."""

    at = s.DateTimeField(help_text="UTC")
    milliseconds = s.IntegerField()
    status = s.IntegerField(allow_null=True, help_text="HTTP status; null: no answer")
    error = s.CharField()


class DeliveryRowShape(s.Serializer[Any]):
    """One message to one place, and how it stands."""

    id = s.UUIDField()
    event_id = s.UUIDField(help_text="the entry's id: the webhook-id that the receiver sees")
    means = s.ChoiceField(Means.choices)
    webhook = s.UUIDField(source="endpoint_id", allow_null=True)
    kind = s.CharField()
    team = s.CharField()
    agent = s.CharField()
    host = s.CharField()
    state = s.ChoiceField(DeliveryState.choices)
    attempts = s.IntegerField(help_text="failed ones on the schedule")
    due_at = s.DateTimeField(help_text="UTC")
    last_status = s.IntegerField(allow_null=True)
    last_error = s.CharField()
    created_at = s.DateTimeField(help_text="UTC")
    closed_at = s.DateTimeField(allow_null=True, help_text="UTC")


class DeliveryShape(DeliveryRowShape):
    """The same with its attempts."""

    tries = s.SerializerMethodField()

    @extend_schema(responses=AttemptShape(many=True))
    def get_tries(self, row: Delivery) -> list[Any]:
        """Return the attempts, first to last."""
        return list(AttemptShape(Attempt.objects.filter(delivery=row), many=True).data)


class WantedBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of an edit."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    kinds: Words = []
    agents: Words = []
    teams: Words = []

    @property
    def wanted(self) -> Wanted:
        """As the operation takes it."""
        return Wanted(self.name, self.url, self.kinds, self.agents, self.teams)


class ConnectBody(WantedBody, frozen=True):
    """Body of a new webhook."""

    team: Annotated[str, msgspec.Meta(max_length=64)] = ""


class DisableBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a disabling."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class EndpointFilters(df.FilterSet):
    """Filters of webhooks."""

    state = Choice("state", EndpointState)
    team = Word("team__slug")


class DeliveryFilters(df.FilterSet):
    """Filters of deliveries."""

    state = Choice("state", DeliveryState)
    means = Choice("means", Means)
    webhook = Id("endpoint_id")
    event_id = Id("event_id")
    kind = Word("kind")
    team = Word("team")
    agent = Word("agent")
    since = Since("created_at")
    until = Until("created_at")


_ENDPOINTS: QuerySet[Endpoint] = Endpoint.objects.select_related("team", "created_by")


@reads("list_webhooks")
class EndpointsView(ListView):
    """Webhooks of operated teams; for administrators all."""

    queryset = _ENDPOINTS
    serializer_class = EndpointShape
    filterset_class = EndpointFilters
    orderings = ("-created_at",)

    @extend_schema(
        operation_id="create_webhook", parameters=[_ETAG], request=ConnectShape,
        responses={201: NewEndpointShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Make a webhook; its secret is in this answer and nowhere else."""
        body: ConnectBody = read_struct(request, ConnectBody)
        person = person_of(request)
        team = find(visible_rows(Team.objects.all(), person), slug=body.team) if body.team else None
        return _issued(operations.create_endpoint(wanted=body.wanted, team=team, by=person, now=sql.now()))


@reads("get_webhook")
class EndpointView(DetailView):
    """One webhook."""

    queryset: ClassVar[Any] = _ENDPOINTS
    serializer_class = EndpointShape

    def show(self, row: Any, *, status: int = 200) -> Response:
        """Render a webhook, with the ETag that a write has to carry."""
        return Response(EndpointShape(row).data, status=status, headers=_tag(row))

    @extend_schema(
        operation_id="edit_webhook", parameters=[_IF_MATCH, _ETAG], request=WantedShape,
        responses={200: EndpointShape, **shapes.problems(*_WRITE_PROBLEMS, 412, 428)},
    )  # fmt: skip
    def put(self, request: Request, id: str) -> Response:
        """Change name, URL and filters; team, state and secrets stay.

        Refused with 412 where somebody changed them since they were read; state and secrets change no ETag.
        """
        endpoint = self.find(request, id=id)
        seen = read_match(request, BY_DIGEST)
        body: WantedBody = read_struct(request, WantedBody)
        operations.edit_endpoint(endpoint=endpoint, wanted=body.wanted, by=person_of(request), now=sql.now(), seen=seen)
        return self.show(endpoint)

    @extend_schema(
        operation_id="delete_webhook", request=None, responses={204: None, **shapes.problems(401, 403, 404, 409)}
    )
    def delete(self, request: Request, id: str) -> Response:
        """Forget a disabled webhook and its log."""
        operations.delete_endpoint(endpoint=self.find(request, id=id), by=person_of(request), now=sql.now())
        return Response(status=204)


class EndpointAct(EndpointView):
    """Something that is done to a webhook."""

    http_method_names = ["post"]


class RotateView(EndpointAct):
    """Another secret."""

    @extend_schema(
        operation_id="rotate_webhook_secret", request=None,
        responses={201: NewEndpointShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Give it a new secret, which is in this answer and nowhere else; the old one signs as well for 24 hours."""
        return _issued(
            operations.rotate_secret(endpoint=self.find(request, id=id), by=person_of(request), now=sql.now())
        )


class DisableView(EndpointAct):
    """No more events."""

    @extend_schema(
        operation_id="disable_webhook", request=DisableShape,
        responses={200: EndpointShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Stop it."""
        body: DisableBody = read_struct(request, DisableBody)
        endpoint = self.find(request, id=id)
        operations.disable_endpoint(endpoint=endpoint, reason=body.reason, by=person_of(request), now=sql.now())
        return self.show(endpoint)


class EnableView(EndpointAct):
    """Events again."""

    @extend_schema(
        operation_id="enable_webhook", request=None,
        responses={200: EndpointShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Start it again, or close its breaker."""
        endpoint = self.find(request, id=id)
        operations.enable_endpoint(endpoint=endpoint, by=person_of(request), now=sql.now())
        return self.show(endpoint)


class TryEndpointView(EndpointAct):
    """A test event."""

    @extend_schema(
        operation_id="test_webhook", request=None,
        responses={201: DeliveryRowShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Send a test event; what came of it stands at the delivery."""
        delivery = operations.send_test(endpoint=self.find(request, id=id), by=person_of(request), now=sql.now())
        return Response(DeliveryRowShape(delivery).data, status=201)


class ReplayDeadView(EndpointAct):
    """What was given up, again."""

    @extend_schema(
        operation_id="replay_webhook", request=None,
        responses={200: ReplayedShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Begin again with what was given up, oldest first, 500 at a time."""
        done = operations.replay_dead(endpoint=self.find(request, id=id), by=person_of(request), now=sql.now())
        return Response(ReplayedShape({"replayed": done}).data)


@reads("list_deliveries")
class DeliveriesView(ListView):
    """What was sent, or is to be: of operated teams; for administrators all. Notifications are their person's."""

    queryset = Delivery.objects.all()
    serializer_class = DeliveryRowShape
    filterset_class = DeliveryFilters


@reads("get_delivery")
class DeliveryView(DetailView):
    """One delivery and its attempts."""

    queryset: ClassVar[Any] = Delivery.objects.all()
    serializer_class = DeliveryShape


class DeliveryAct(DeliveryView):
    """Something that is done to a delivery."""

    http_method_names = ["post"]


class RetryView(DeliveryAct):
    """Once more."""

    @extend_schema(
        operation_id="retry_delivery", request=None,
        responses={200: DeliveryShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Try it now; what was given up begins its schedule again."""
        delivery = self.find(request, id=id)
        operations.retry(delivery=delivery, by=person_of(request), now=sql.now())
        delivery.refresh_from_db()
        return self.show(delivery)


class CancelDeliveryView(DeliveryAct):
    """No more."""

    @extend_schema(
        operation_id="cancel_delivery", request=None,
        responses={200: DeliveryShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """Send it no more."""
        delivery = self.find(request, id=id)
        operations.cancel(delivery=delivery, by=person_of(request), now=sql.now())
        return self.show(delivery)


def _issued(issued: operations.Issued) -> Response:
    shown = {**EndpointShape(issued.endpoint).data, "secret": issued.secret}
    return Response(shown, status=201, headers={"Cache-Control": "no-store", **_tag(issued.endpoint)})


def _tag(endpoint: Endpoint) -> dict[str, str]:
    return {"ETag": f'"{digest_of(endpoint)}"'}
