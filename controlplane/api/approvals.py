"""Held actions for people: looking, voting, editing. Tokens never vote, so these calls take sessions only."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from uuid import UUID

import django_filters as df
import msgspec
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.models import ActionRevision, ApprovalRequest, Grant, Vote
from approvals.operations import read_bytes, vote
from approvals.operations.opening import current_revision
from approvals.permissions import may_read_bytes
from approvals.states import ApprovalState, GrantState, Tier, Verdict
from audit import sql
from audit.canonical import MAX_INTEGER
from controlplane import gateway
from controlplane.api import shapes
from controlplane.api.authentication import PersonAuthentication
from controlplane.api.bodies import read_raw, read_struct
from controlplane.api.filters import Choice, Since, Until, Word, refuse_parameters
from controlplane.api.people import DetailView, ListView, person_of, reads
from controlplane.api.tags import read_match

_IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="ETag of the revision that was read."
)
_ETAG = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200], description="Names the revision.")
_ENTITY_TAG = re.compile(r'"([1-9][0-9]{0,8})"')
_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 428)


class ApprovalRowShape(s.Serializer[Any]):
    """A held action in a list."""

    id = s.UUIDField()
    state = s.ChoiceField(ApprovalState.choices, help_text="expiry is compared at use")
    revision = s.IntegerField(help_text="number of the current revision of the bytes")
    action_id = s.UUIDField(source="decision_id", help_text="the action, as its agent knows it")
    agent = s.CharField(source="agent.slug")
    team = s.CharField(help_text="slug of the agent's team at that time")
    verb = s.CharField(source="decision.verb")
    risk = s.ChoiceField(
        Tier.choices, allow_blank=True, help_text="of the current revision, when it was written; empty: not judged"
    )
    queues = s.SerializerMethodField(help_text="slugs; every one must approve")
    created_at = s.DateTimeField(help_text="UTC")
    expires_at = s.DateTimeField(help_text="UTC")
    closed_at = s.DateTimeField(allow_null=True, help_text="UTC")

    def get_queues(self, held: ApprovalRequest) -> list[str]:
        """Return the queues' names."""
        return sorted(queue.slug for queue in held.queues.all())


class VoteShape(s.Serializer[Any]):
    """What one person said of one revision."""

    voter = s.CharField(source="voter.username")
    verdict = s.ChoiceField(Verdict.choices)
    revision = s.IntegerField()
    digest = s.CharField(help_text="of the bytes that were read, hex")
    comment = s.CharField()
    at = s.DateTimeField(help_text="UTC")


class GrantShape(s.Serializer[Any]):
    """The single-use leave that comes out of an approval."""

    id = s.UUIDField()
    state = s.ChoiceField(GrantState.choices)
    executor = s.CharField(source="executor.slug", help_text="the agent that may redeem it")
    digest = s.CharField(help_text="of the bytes that may be executed, hex")
    issued_at = s.DateTimeField(help_text="UTC")
    expires_at = s.DateTimeField(help_text="UTC; compared at use")


class ApprovalShape(ApprovalRowShape):
    """A held action with its votes; with its bytes for those who may read them, which is audited."""

    digest = s.CharField(help_text="SHA-256 of the canonical action, hex: what a vote carries")
    size = s.IntegerField(help_text="bytes of the canonical action")
    reasons = shapes.ReasonShape(many=True, help_text="why this revision is held")
    author = s.CharField(allow_null=True, help_text="who wrote this revision; null: the agent")
    votes = VoteShape(many=True)
    grant = GrantShape(allow_null=True, help_text="what came out of it; null while nobody has approved it")
    action = s.DictField(allow_null=True, help_text="the canonical action, parsed; null where it is not yours to read")
    canonical = s.CharField(allow_null=True, help_text="its exact RFC 8785 text; null likewise")


class CastShape(s.Serializer[Any]):
    """A vote."""

    verdict = s.ChoiceField(Verdict.choices)
    digest = s.RegexField(shapes.HEX, help_text="64 hex digits: the bytes that were read")
    comment = s.CharField(required=False, max_length=4000)
    confirmed_amount = s.CharField(
        required=False, max_length=64, help_text="the amount, typed: needed above a queue's `confirm_amount_over`"
    )


class EditShape(s.Serializer[Any]):
    """What is to be another; what is left out stays."""

    destination = s.CharField(required=False, allow_null=True, min_length=1, max_length=2048)
    units = s.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_INTEGER, help_text="how many things it touches"
    )
    amount = shapes.AmountShape(required=False, allow_null=True)
    payload = s.JSONField(required=False, help_text="the exact JSON that will be executed, at most 256 KiB")
    data_classes = s.ListField(child=shapes.label(), required=False, max_length=64)


class CastBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a vote."""

    verdict: Annotated[str, msgspec.Meta(pattern="^(approve|reject)$")]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    comment: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    confirmed_amount: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ApprovalFilters(df.FilterSet):
    """Filters of held actions."""

    state = Choice("state", ApprovalState)
    risk = Choice("risk", Tier)
    agent = Word("agent__slug")
    team = Word("team")
    verb = Word("decision__verb")
    queue = df.CharFilter(method="in_queue", max_length=255, label="slug of a queue that holds it")
    since = Since("created_at", by_id=True)
    until = Until("created_at")

    def in_queue(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep what one queue holds; a request stands in a queue once, so no row comes twice."""
        return rows.filter(queues__slug=value)


@reads("list_approvals")
class ApprovalsView(ListView):
    """What the person's queues hold, and what their teams' and their own agents asked."""

    queryset = ApprovalRequest.objects.select_related("agent", "decision").prefetch_related("queues")
    serializer_class = ApprovalRowShape
    filterset_class = ApprovalFilters
    orderings = ("expires_at", "created_at")


class ApprovalView(DetailView):
    """One held action."""

    authentication_classes = (PersonAuthentication,)
    queryset = ApprovalRequest.objects.select_related("agent", "decision").prefetch_related(
        "queues", Prefetch("votes", Vote.objects.select_related("voter").order_by("at", "id"))
    )
    serializer_class = ApprovalShape

    @extend_schema(
        operation_id="get_approval", parameters=[_ETAG],
        responses={200: ApprovalShape, **shapes.problems(400, 401, 404)},
    )  # fmt: skip
    def get(self, request: Request, **path: Any) -> Response:
        """Read a held action. Reading its bytes leaves an entry in the trail."""
        refuse_parameters(request)
        held: ApprovalRequest = self.find(request, **path)
        user = person_of(request)
        if may_read_bytes(held, user):
            # A reading that cannot be answered did not happen.
            with sql.writing():
                return told(held, read_bytes(request=held, by=user, now=sql.now()), with_bytes=True)
        return told(held, current_revision(held), with_bytes=False)

    def seen(self, request: Request, held_id: UUID) -> Response:
        """Answer a write: the request as it stands after it, without the bytes."""
        held: ApprovalRequest = self.find(request, id=held_id)
        return told(held, current_revision(held), with_bytes=False)


class VotesView(ApprovalView):
    """Vote."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="vote", parameters=[_IF_MATCH, _ETAG], request=CastShape,
        responses={200: ApprovalShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, id: UUID) -> Response:
        """Approve or reject the bytes that were read. One rejection closes; a complete quorum grants.

        An approval needs its voter to have opened these bytes, by `get_approval` or in the console: 409 `not_opened`
        otherwise.
        """
        held: ApprovalRequest = self.find(request, id=id)
        revision = int(read_match(request, _ENTITY_TAG))
        body: CastBody = read_struct(request, CastBody)
        # The answer is read in the vote's own transaction: where it cannot be given, nothing was decided.
        with sql.writing():
            vote(
                request_id=held.pk,
                revision=revision,
                verdict=Verdict(body.verdict),
                digest=body.digest,
                comment=body.comment,
                confirmed_amount=body.confirmed_amount,
                by=person_of(request),
                now=sql.now(),
            )
            return self.seen(request, held.pk)


class HeldActionView(ApprovalView):
    """Edit."""

    http_method_names = ["put"]

    @extend_schema(
        operation_id="edit_action", parameters=[_IF_MATCH, _ETAG], request=EditShape,
        responses={200: ApprovalShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def put(self, request: Request, id: UUID) -> Response:
        """Change what would be executed. It is judged again; earlier votes are void; the expiry stays."""
        held: ApprovalRequest = self.find(request, id=id)
        revision, raw = int(read_match(request, _ENTITY_TAG)), read_raw(request)
        # As for a vote: the answer belongs to the transaction.
        with sql.writing():
            gateway.edit(request_id=held.pk, revision=revision, raw=raw, by=person_of(request))
            return self.seen(request, held.pk)


def told(held: ApprovalRequest, revision: ActionRevision, *, with_bytes: bool) -> Response:
    """Render a held action.

    Args:
        held: with its votes and queues.
        revision: the current one.
        with_bytes: whether its reader may have them, which was audited.
    """
    raw = bytes(revision.body)
    grant = Grant.objects.select_related("executor").filter(approval=held).first()
    body = {
        **ApprovalRowShape(held).data,
        "digest": revision.digest,
        "size": len(raw),
        "reasons": revision.reasons,
        "author": revision.author.username if revision.author else None,
        "votes": VoteShape(held.votes.all(), many=True).data,
        "grant": GrantShape(grant).data if grant else None,
        "action": json.loads(raw) if with_bytes else None,
        "canonical": raw.decode() if with_bytes else None,
    }
    return Response(body, headers={"ETag": held.etag})
