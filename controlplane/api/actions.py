"""Asking, looking, redeeming, reporting: the calls of an agent about its actions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from audit import sql
from controlplane import gateway
from controlplane.api import shapes
from controlplane.api.authentication import principal_of
from controlplane.api.bodies import read_raw, read_struct
from controlplane.api.filters import refuse_parameters
from controlplane.api.machines import MachineView, json_response
from controlplane.api.waiting import SECONDS, read_wait, wait_for
from controlplane.gateway.answers import REVIEW_RETRY_SECONDS, Answer, told
from controlplane.gateway.approved import find_decision
from controlplane.parking import Kind, Topic
from registry.states import KeyScope

_DIGEST = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description="Printable ASCII, at most 255 characters. The same key gets the same answer.",
)
_WAIT = OpenApiParameter("wait", SECONDS, description="Seconds to wait for a change; at most 60, without lane 5.")


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a redemption."""

    digest: _DIGEST


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of an outcome."""

    status: Annotated[str, msgspec.Meta(pattern="^(succeeded|failed)$")]
    note: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    result_digest: _DIGEST | None = None


def _told(answer: Answer) -> HttpResponse:
    response = json_response(answer.as_json(), status=answer.status)
    if answer.status == 202:
        response["Retry-After"] = str(REVIEW_RETRY_SECONDS)
    return response


class ActionsView(MachineView):
    """Ask leave for an action."""

    scope = KeyScope.ACT

    @extend_schema(
        operation_id="ask",
        parameters=[_IDEMPOTENCY],
        request=shapes.AskShape,
        responses={
            200: shapes.AnswerShape,
            202: shapes.AnswerShape,
            **shapes.problems(400, 401, 403, 413, 415, 422),
        },
    )
    def post(self, request: Request) -> HttpResponse:
        """Ask "may I?". Act only on an `allow` that is not `replayed`, or after your own redemption."""
        return _told(
            gateway.ask(
                principal=principal_of(request),
                key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
                raw=read_raw(request),
            )
        )


class ActionView(MachineView):
    """One action of the asking or executing agent."""

    scope = KeyScope.ACT

    @extend_schema(
        operation_id="get_action", parameters=[_WAIT],
        responses={200: shapes.AnswerShape, **shapes.problems(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, action_id: UUID) -> HttpResponse:
        """Read the decision and what has come of it; with `wait`, until people have decided."""
        refuse_parameters(request, "wait")
        principal = principal_of(request)
        answer = wait_for(
            lambda: told(find_decision(action_id=action_id, principal=principal)),
            done=lambda seen: seen.approval is None or seen.approval["state"] != "pending",
            seconds=read_wait(request.GET.get("wait")),
            request=request,
            topic=lambda seen: Topic(Kind.APPROVAL, UUID((seen.approval or {})["id"])),
        )
        return json_response(answer.as_json())

    @extend_schema(
        operation_id="cancel_action", request=None,
        responses={200: shapes.AnswerShape, **shapes.problems(401, 403, 404, 409)},
    )  # fmt: skip
    def delete(self, request: Request, action_id: UUID) -> HttpResponse:
        """Withdraw an action that still waits, or whose grant is unused."""
        # The answer is read in the withdrawal's own transaction: where it cannot be given, nothing was withdrawn.
        with sql.writing():
            decision = gateway.cancel(principal=principal_of(request), action_id=action_id)
            return json_response(told(decision).as_json())


class RedeemView(MachineView):
    """Use a grant up."""

    scope = KeyScope.ACT

    @extend_schema(
        operation_id="redeem", parameters=[_IDEMPOTENCY], request=shapes.RedeemShape,
        responses={200: shapes.RedeemedShape, **shapes.problems(400, 401, 403, 404, 409, 410, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, action_id: UUID) -> HttpResponse:
        """Get the exact bytes to execute, once; everything is evaluated again."""
        body: RedeemBody = read_struct(request, RedeemBody)
        redeemed = gateway.redeem(
            principal=principal_of(request),
            action_id=action_id,
            key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
            digest=body.digest,
        )
        return json_response(redeemed.as_json())


class OutcomeView(MachineView):
    """Report what came of an action."""

    scope = KeyScope.ACT

    @extend_schema(
        operation_id="report_outcome", request=shapes.OutcomeShape,
        responses={200: shapes.GrantStateShape, **shapes.problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, action_id: UUID) -> HttpResponse:
        """Say whether it worked, once; the same report again changes nothing."""
        body: OutcomeBody = read_struct(request, OutcomeBody)
        grant = gateway.outcome(
            principal=principal_of(request),
            action_id=action_id,
            succeeded=body.status == "succeeded",
            note=body.note,
            result_digest=body.result_digest or "",
        )
        return json_response({"id": str(grant.id), "state": str(grant.state)})
