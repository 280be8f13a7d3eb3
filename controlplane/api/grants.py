"""Grants for people: looking at one, and voiding it before it is used."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.models import Grant, Vote
from approvals.states import Verdict
from audit import sql
from controlplane import gateway
from controlplane.api import shapes
from controlplane.api.approvals import GrantShape
from controlplane.api.bodies import read_struct
from controlplane.api.people import DetailView, find, person_of, reads
from registry.models import User


class RevokeShape(s.Serializer[Any]):
    """Why it is voided."""

    reason = s.CharField(max_length=2000)


class RevokeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a revocation."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


def readable(user: User) -> QuerySet[Grant]:
    """Return the grants that a person sees: those of their teams and agents, and those they approved."""
    rows = Grant.objects.select_related("agent", "executor")
    if user.sees_everything:
        return rows
    approved = Vote.objects.filter(voter=user, verdict=Verdict.APPROVE).values("request")
    seen = Grant.objects.visible_to(user).values("pk")
    return rows.filter(Q(pk__in=seen) | Q(approval__in=approved)) if user.is_active else rows.none()


@reads("get_grant")
class GrantView(DetailView):
    """One grant."""

    queryset = Grant.objects.all()
    serializer_class = GrantShape

    def find(self, request: Request, **path: Any) -> Any:
        """Return the grant.

        Raises:
            Missing: there is none, or it is not theirs to see.
        """
        return find(readable(person_of(request)), **path)


class RevokeView(GrantView):
    """Void."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="revoke_grant", request=RevokeShape,
        responses={200: GrantShape, **shapes.problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    def post(self, request: Request, id: Any) -> Response:
        """Void an issued grant: its approvers, operators of the team, administrators. What was executed stays."""
        grant = self.find(request, id=id)
        body: RevokeBody = read_struct(request, RevokeBody)
        gateway.revoke(grant=grant, reason=body.reason, by=person_of(request), now=sql.now())
        return self.show(grant)
