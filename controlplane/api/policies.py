"""Policies for people: revisions of the whole set, drafts, publication, rollback."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import django_filters as df
import msgspec
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.models import Queue
from audit import sql
from audit.refusals import PreconditionFailed
from controlplane.api import shapes
from controlplane.api.bodies import below, read_struct
from controlplane.api.filters import Choice, Since, Until, Word
from controlplane.api.people import DetailView, ListView, find, person_of, reads
from controlplane.api.tags import BY_DIGEST, gives_tag, read_match, wants_match
from policies.models import Revision
from policies.operations import discard, publish, revise_draft, roll_back, save_draft
from policies.states import RevisionState
from registry.models import User

_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)
_GUARDED_PROBLEMS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 428)
_IF_MATCH, _ETAG = wants_match("revision"), gives_tag("Names what the revision says.")
Why = Annotated[str, msgspec.Meta(max_length=2000)]


class RevisionRowShape(s.Serializer[Any]):
    """One state of the whole policy set, without its document."""

    number = s.IntegerField(help_text="numbers only rise")
    state = s.ChoiceField(RevisionState.choices)
    digest = s.CharField(help_text="SHA-256 of the canonical document, hex")
    reason = s.CharField()
    base = s.IntegerField(allow_null=True, help_text="number of the revision in force when it was written, 0 for none")
    restores = s.IntegerField(allow_null=True, help_text="number of the revision it copies")
    tests_run = s.IntegerField(help_text="how many of its own tests passed when it was published")
    author = s.CharField(source="author.username")
    created_at = s.DateTimeField(help_text="UTC")
    published_by = s.CharField(source="published_by.username", default=None, allow_null=True)
    published_at = s.DateTimeField(allow_null=True, help_text="UTC")
    replays = s.ListField(child=s.DictField(), help_text="replays of its text that were read before it was published")


class RevisionShape(RevisionRowShape):
    """One state of the whole policy set."""

    policies = s.DictField(source="document", help_text="by slug, in the form that `apply` reads")


class DraftShape(s.Serializer[Any]):
    """A policy set to keep as a draft."""

    policies = s.DictField(help_text="the whole set, by slug; what is left out is gone once it is published")
    reason = s.CharField(required=False, max_length=2000)


class WhyShape(s.Serializer[Any]):
    """Why the policies change."""

    reason = s.CharField(min_length=1, max_length=2000)


class PublishShape(WhyShape):
    """Why the policies change, and what was read before."""

    replays = s.ListField(
        child=s.UUIDField(),
        required=False,
        max_length=20,
        help_text="finished replays of exactly this text, read before",
    )


class DraftBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a draft."""

    policies: dict[str, Any]
    reason: Why = ""


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a publication or rollback."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class PublishBody(ReasonBody, forbid_unknown_fields=True, frozen=True):
    """Body of a publication."""

    replays: Annotated[list[UUID], msgspec.Meta(max_length=20)] = []


class RevisionFilters(df.FilterSet):
    """Filters of revisions."""

    state = Choice("state", RevisionState)
    author = Word("author__username")
    digest = Word("digest")
    since = Since("created_at")
    until = Until("created_at")


def readable(user: User) -> QuerySet[Revision]:
    """Return the revisions that a person reads: all, as policies bind everyone; reviewers read none."""
    return Revision.objects.visible_to(user).select_related("author", "published_by")


def queue_names() -> list[str]:
    """Return the queues that rules may name."""
    return list(Queue.objects.values_list("slug", flat=True))


@reads("list_policies")
class PoliciesView(ListView):
    """Revisions of the policy set, without their documents. The published one is in force."""

    queryset = Revision.objects.all()
    serializer_class = RevisionRowShape
    filterset_class = RevisionFilters
    orderings = ("-number",)

    def get_queryset(self) -> QuerySet[Any]:
        """Return the readable revisions."""
        return readable(person_of(self.request)).defer("document")

    @extend_schema(
        operation_id="draft_policies", request=DraftShape,
        responses={201: RevisionShape, **shapes.problems(400, 401, 403, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Keep a whole policy set as a draft. A draft decides nothing."""
        body: DraftBody = read_struct(request, DraftBody)
        with below("/policies"):
            revision = save_draft(policies=body.policies, reason=body.reason, by=person_of(request), now=sql.now())
        return told(revision, status=201)


@reads("get_policies")
class RevisionView(DetailView):
    """One revision with its document."""

    queryset = Revision.objects.all()
    serializer_class = RevisionShape

    def find(self, request: Request, **path: Any) -> Any:
        """Return the revision.

        Raises:
            Missing: there is none, or they read none.
        """
        return find(readable(person_of(request)), **path)

    def show(self, row: Any, *, status: int = 200) -> Response:
        """Render a revision, with the ETag that a write has to carry."""
        return told(row, status=status)

    @extend_schema(
        operation_id="redraft_policies", parameters=[_IF_MATCH, _ETAG], request=DraftShape,
        responses={200: RevisionShape, **shapes.problems(*_GUARDED_PROBLEMS)},
    )  # fmt: skip
    def put(self, request: Request, number: int) -> Response:
        """Write a draft anew, over what is in force now."""
        revision = self.find(request, number=number)
        seen = read_match(request, BY_DIGEST)
        body: DraftBody = read_struct(request, DraftBody)
        with below("/policies"):
            draft = revise_draft(
                revision=revision, seen=seen, policies=body.policies, reason=body.reason, by=person_of(request),
                now=sql.now(),
            )  # fmt: skip
        return self.show(draft)

    @extend_schema(
        operation_id="discard_policies", parameters=[_IF_MATCH],
        responses={204: None, **shapes.problems(400, 401, 403, 404, 409, 412, 428)},
    )  # fmt: skip
    def delete(self, request: Request, number: int) -> Response:
        """Give up a draft; it stays readable."""
        revision = self.find(request, number=number)
        if read_match(request, BY_DIGEST) != revision.digest:
            raise PreconditionFailed(f"r{number} was saved by somebody else since you read it.")
        discard(revision=revision, by=person_of(request), now=sql.now())
        return Response(status=204)


def told(revision: Revision, *, status: int = 200) -> Response:
    """Render a revision with its ETag."""
    return Response(RevisionShape(revision).data, status=status, headers={"ETag": f'"{revision.digest}"'})


class PublishView(RevisionView):
    """Put a draft in force."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="publish_policies", parameters=[_IF_MATCH, _ETAG], request=PublishShape,
        responses={200: RevisionShape, **shapes.problems(*_GUARDED_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, number: int) -> Response:
        """Publish: it decides from the next request on. Its own tests are run first.

        Refused with 412 where another revision was published since the draft was written.
        """
        revision = self.find(request, number=number)
        seen = read_match(request, BY_DIGEST)
        body: PublishBody = read_struct(request, PublishBody)
        publish(
            revision=revision, queues=queue_names(), reason=body.reason, by=person_of(request), now=sql.now(),
            seen=seen, replays=body.replays,
        )  # fmt: skip
        return self.show(revision)


class RestoreView(RevisionView):
    """Bring an earlier revision back."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="roll_back_policies", request=WhyShape,
        responses={201: RevisionShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request, number: int) -> Response:
        """Publish a copy of a superseded revision under a new number."""
        body: ReasonBody = read_struct(request, ReasonBody)
        earlier = self.find(request, number=number)
        revision = roll_back(
            to=earlier.number, queues=queue_names(), reason=body.reason, by=person_of(request), now=sql.now()
        )
        return self.show(revision, status=201)
