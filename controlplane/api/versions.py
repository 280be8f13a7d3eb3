"""Versions and releases for people: drafts, promotion, rollback."""

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
from controlplane.api.people import DetailView, ListView, PersonView, find, person_of, reads, visible_rows
from registry.models import Agent, AgentVersion, Release
from registry.operations import create_version, discard_draft, promote, roll_back
from registry.states import Environment, ReleaseState, VersionState

Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422)


class VersionRowShape(s.Serializer[Any]):
    """A version, without its definition."""

    id = s.IntegerField()
    agent = s.CharField(source="agent.slug")
    number = s.IntegerField(help_text="1, 2, 3 … within the agent")
    checksum = s.CharField(help_text="SHA-256 of the canonical definition, hex")
    note = s.CharField()
    state = s.ChoiceField(VersionState.choices)
    created_at = s.DateTimeField(help_text="UTC")
    created_by = s.CharField(source="created_by.username")


class VersionShape(VersionRowShape):
    """A version."""

    definition = s.DictField(help_text="prompts, model preferences, tools, configuration")


class ReleaseShape(s.Serializer[Any]):
    """A version that is, or was, live in an environment."""

    id = s.IntegerField()
    agent = s.CharField(source="agent.slug")
    version = s.IntegerField(source="version.number", help_text="number within the agent")
    environment = s.ChoiceField(Environment.choices)
    state = s.ChoiceField(ReleaseState.choices)
    released_at = s.DateTimeField(help_text="UTC")
    released_by = s.CharField(source="released_by.username")
    ended_at = s.DateTimeField(allow_null=True, help_text="UTC")
    rolls_back = s.IntegerField(source="rolls_back_id", allow_null=True, help_text="id of the release it undid")


class NewVersionShape(s.Serializer[Any]):
    """A draft to add."""

    agent = s.CharField(min_length=1, max_length=64, help_text="slug")
    definition = s.DictField(help_text="prompts, model preferences, tools, configuration; no secrets")
    note = s.CharField(required=False, max_length=4000)


class PromoteShape(s.Serializer[Any]):
    """Which version goes live where."""

    agent = s.CharField(min_length=1, max_length=64, help_text="slug")
    version = s.IntegerField(min_value=1, max_value=2**31 - 1, help_text="number within the agent")
    environment = s.ChoiceField(Environment.choices)
    checksum = s.RegexField(
        shapes.HEX, required=False, allow_null=True,
        help_text="of the definition that was read; another one by now is refused",
    )  # fmt: skip


class RollBackShape(s.Serializer[Any]):
    """Where to go one version back."""

    agent = s.CharField(min_length=1, max_length=64, help_text="slug")
    environment = s.ChoiceField(Environment.choices)


class NewVersionBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a new version."""

    agent: Slug
    definition: dict[str, Any]
    note: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class PromoteBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a promotion."""

    agent: Slug
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    environment: str
    checksum: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None


class RollBackBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a rollback."""

    agent: Slug
    environment: str


class VersionFilters(df.FilterSet):
    """Filters of versions."""

    agent = Word("agent__slug")
    state = Choice("state", VersionState)
    since = Since("created_at")
    until = Until("created_at")


class ReleaseFilters(df.FilterSet):
    """Filters of releases."""

    agent = Word("agent__slug")
    environment = Choice("environment", Environment)
    state = Choice("state", ReleaseState)
    since = Since("released_at")
    until = Until("released_at")


@reads("list_versions")
class VersionsView(ListView):
    """Versions of visible agents, without their definitions."""

    queryset = AgentVersion.objects.select_related("agent", "created_by").defer("definition")
    serializer_class = VersionRowShape
    filterset_class = VersionFilters
    orderings = ("-created_at", "number")

    @extend_schema(
        operation_id="create_version", request=NewVersionShape,
        responses={201: VersionShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Add a draft, numbered after the agent's newest version."""
        body: NewVersionBody = read_struct(request, NewVersionBody)
        version = create_version(
            agent=_agent(request, body.agent),
            definition=body.definition,
            note=body.note,
            by=person_of(request),
            now=sql.now(),
        )
        return Response(VersionShape(version).data, status=201)


@reads("get_version")
class VersionView(DetailView):
    """One version with its definition."""

    queryset = AgentVersion.objects.select_related("agent", "created_by")
    serializer_class = VersionShape


class DiscardView(VersionView):
    """Give a draft up."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="discard_version", request=None,
        responses={200: VersionShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def post(self, request: Request, id: int) -> Response:
        """Discard a draft for good; its number is not used again."""
        rows = AgentVersion.objects.select_related("agent__team", "created_by")
        version = find(visible_rows(rows, person_of(request)), id=id)
        discard_draft(version=version, by=person_of(request), now=sql.now())
        return self.show(version)


@reads("list_releases")
class ReleasesView(ListView):
    """What is, and was, live where."""

    queryset = Release.objects.select_related("agent", "version", "released_by").defer("version__definition")
    serializer_class = ReleaseShape
    filterset_class = ReleaseFilters
    orderings = ("-released_at",)

    @extend_schema(
        operation_id="promote", request=PromoteShape,
        responses={201: ReleaseShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Make a version the live one of an environment."""
        body: PromoteBody = read_struct(request, PromoteBody)
        rows = visible_rows(AgentVersion.objects.select_related("agent__team"), person_of(request))
        version = find(rows, agent__slug=body.agent, number=body.version)
        # The operation refuses a version whose content is no longer this one's.
        version.checksum = body.checksum or version.checksum
        release = promote(version=version, environment=body.environment, by=person_of(request), now=sql.now())
        return Response(ReleaseShape(release).data, status=201)


@reads("get_release")
class ReleaseView(DetailView):
    """One release."""

    queryset = Release.objects.select_related("agent", "version", "released_by").defer("version__definition")
    serializer_class = ReleaseShape


class RollBackView(PersonView):
    """One step back."""

    @extend_schema(
        operation_id="roll_back", request=RollBackShape,
        responses={201: ReleaseShape, **shapes.problems(*_WRITE_PROBLEMS)},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Make the version live again that was before the present one."""
        body: RollBackBody = read_struct(request, RollBackBody)
        release = roll_back(
            agent=_agent(request, body.agent), environment=body.environment, by=person_of(request), now=sql.now()
        )
        return Response(ReleaseShape(release).data, status=201)


def _agent(request: Request, slug: str) -> Agent:
    agent: Agent = find(visible_rows(Agent.objects.select_related("team"), person_of(request)), slug=slug)
    return agent
