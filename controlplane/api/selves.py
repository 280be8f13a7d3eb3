"""What an agent reads about itself, and the commands it is given."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from audit import sql
from audit.refusals import Forbidden
from controlplane.api import shapes
from controlplane.api.authentication import principal_of
from controlplane.api.bodies import read_struct
from controlplane.api.filters import refuse_parameters
from controlplane.api.machines import MachineView, json_response
from controlplane.api.waiting import SECONDS, read_wait, wait_for
from controlplane.gateway.answers import moment
from controlplane.parking import Kind, Topic
from registry.authentication import Principal
from registry.models import Agent, Command, Release
from registry.operations import acknowledge, fetch_commands
from registry.states import KeyScope, ReleaseState

_WAIT = OpenApiParameter("wait", SECONDS, description="Seconds to wait for a command; at most 60, without lane 5.")


class AckBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of an acknowledgement."""

    status: Annotated[str, msgspec.Meta(pattern="^(succeeded|failed)$")]
    note: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class SelfView(MachineView):
    """The agent behind the key."""

    @extend_schema(operation_id="self", responses={200: shapes.SelfShape, **shapes.problems(400, 401, 403)})
    def get(self, request: Request) -> HttpResponse:
        """Read the agent's registration and the definition that is live in the key's environment."""
        refuse_parameters(request)
        principal = principal_of(request)
        if not principal.scopes & {KeyScope.READ_SELF, KeyScope.ACT}:
            raise Forbidden("The key lacks the scope “read:self”.")
        agent = Agent.objects.select_related("team").get(pk=principal.agent_id)
        live = (
            Release.objects.select_related("version")
            .filter(agent=agent, environment=principal.environment, state=ReleaseState.LIVE)
            .first()
        )
        return json_response(
            {
                "agent": agent.slug,
                "name": agent.name,
                "team": agent.team.slug,
                "environment": principal.environment,
                "state": agent.state,
                "version": live.version.number if live else None,
                "capabilities": agent.capabilities,
                "data_scopes": agent.data_scopes,
                "tags": agent.tags,
                "enforcement": agent.enforcement,
                "scopes": sorted(principal.scopes),
                "definition": live.version.definition if live else {},
            }
        )


class CommandsView(MachineView):
    """The commands that wait for the agent."""

    @extend_schema(
        operation_id="commands", parameters=[_WAIT],
        responses={200: shapes.CommandsShape, **shapes.problems(400, 401)},
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponse:
        """Fetch what is not acknowledged; fetching marks it delivered."""
        refuse_parameters(request, "wait")
        principal = principal_of(request)
        commands = wait_for(
            lambda: _fetch(principal),
            done=bool,
            seconds=read_wait(request.GET.get("wait")),
            request=request,
            topic=lambda _: Topic(Kind.COMMANDS, principal.agent_id),
        )
        return json_response({"commands": [_command(command) for command in commands]})


class AckView(MachineView):
    """Acknowledge a command."""

    @extend_schema(
        operation_id="acknowledge", request=shapes.AckShape,
        responses={200: shapes.CommandShape, **shapes.problems(400, 401, 404, 409, 410, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, command_id: UUID) -> HttpResponse:
        """Say what came of a command; the same again changes nothing."""
        body: AckBody = read_struct(request, AckBody)
        command = acknowledge(
            principal=principal_of(request),
            command_id=command_id,
            status=body.status,
            note=body.note,
            now=sql.now(),
        )
        return json_response(_command(command))


def _fetch(principal: Principal) -> list[Command]:
    return fetch_commands(principal=principal, now=sql.now())


def _command(command: Command) -> dict[str, Any]:
    return {
        "id": str(command.id),
        "kind": command.kind,
        "parameters": command.parameters,
        "state": str(command.state),
        "requested_at": moment(command.requested_at),
        "expires_at": moment(command.expires_at),
    }
