"""What decisions are measured against, served by the same server in the same run."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.models import Grant
from audit.models import Entry
from costs.models import Budget, BudgetPeriod, Reservation
from policies.models import Admission, Decision, Payload, Revision
from registry.models import AgentKey, Release


@csrf_exempt
def hello(request: HttpRequest) -> HttpResponse:
    """(a) The least that Django can do."""
    return HttpResponse("hello")


class DrfHello(APIView):
    """(b) The least that DRF can do."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, _request: Request) -> Response:
        """Say hello."""
        return Response({"hello": "world"})


class PlainKey(BaseAuthentication):
    """A key looked up by the ORM."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Find the key's row by its public id."""
        text = request.META.get("HTTP_AUTHORIZATION", "")
        key = AgentKey.objects.select_related("agent__team").filter(public_id=text[16:32], state="live").first()
        if key is None:
            raise AuthenticationFailed
        return key.agent, key


class AskSerializer(serializers.Serializer[Any]):
    """The same fields, as one would write them with DRF."""

    verb = serializers.CharField(max_length=120)
    capability = serializers.CharField(required=False)
    destination = serializers.CharField(required=False)
    units = serializers.IntegerField(required=False, min_value=1)
    payload = serializers.JSONField()
    data_classes = serializers.ListField(child=serializers.CharField(), required=False)


class AnswerSerializer(serializers.ModelSerializer[Decision]):
    """The answer, from the model."""

    class Meta:
        model = Decision
        fields = ("id", "effect", "reasons", "policy_revision", "digest", "obligations")


class OrmDecision(APIView):
    """(d) A decision as one would write it with DRF and the ORM: the same reads and the same rows."""

    authentication_classes = (PlainKey,)
    permission_classes = (AllowAny,)

    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Allow one thing, and write everything that an allow writes."""
        asked = AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        agent: Any = request.user
        key: Any = request.auth
        now = timezone.now()
        release = Release.objects.select_related("version").get(agent=agent, environment=key.environment, state="live")
        revision = Revision.objects.get(state="published")
        name = request.META["HTTP_IDEMPOTENCY_KEY"]
        assert not Decision.objects.filter(agent=agent, idempotency_key=name).exists()
        limit = f"policy-0/pace/{agent.slug}"
        window = Admission.objects.filter(key=limit, at__gt=now - timedelta(seconds=1))
        assert (window.aggregate(units=Sum("units"))["units"] or 0) < 100_000_000
        body = json.dumps(asked.validated_data, sort_keys=True).encode()
        digest = hashlib.sha256(body).hexdigest()
        budget = Budget.objects.get(team=agent.team)
        period = BudgetPeriod.objects.get(budget=budget)
        BudgetPeriod.objects.filter(pk=period.pk).update(reserved_nanousd=F("reserved_nanousd") + 50_000_000)
        decision = Decision.objects.create(
            agent=agent, team=agent.team.slug, key_id=key.public_id, environment=key.environment,
            version=release.version.number, idempotency_key=name, body_digest=digest, digest=digest,
            verb=asked.validated_data["verb"], capability="write",
            destinations=[asked.validated_data["payload"]["url"]],
            effect="allow", reasons=[{"policy": "policy-0", "rule": "submit", "code": "allowed", "text": "allowed"}],
            policy_revision=revision.number, at=now,
        )  # fmt: skip
        Payload.objects.create(decision=decision, salt=uuid.uuid4().bytes, body=body)
        Admission.objects.create(key=limit, at=now, units=1, decision_id=decision.pk)
        Reservation.objects.create(
            decision_id=decision.pk, budget=budget, budget_period=period, amount_nanousd=50_000_000, created_at=now,
            expires_at=now + timedelta(days=1),
        )  # fmt: skip
        Grant.objects.create(
            decision=decision, agent=agent, executor=agent, agent_epoch=agent.epoch, team=agent.team.slug,
            state="redeemed", digest=digest, issued_at=now, expires_at=now + timedelta(minutes=15), redeemed_at=now,
            outcome_due_at=now + timedelta(days=1),
        )  # fmt: skip
        Entry.objects.create(
            at=now, actor_type="agent", actor_id=agent.slug, token_id=key.public_id, kind="action.decided",
            object_type="action", object_id=str(decision.pk), team=agent.team.slug, agent=agent.slug, outcome="allow",
            after_digest=digest, details=json.dumps({"policy_revision": revision.number}),
        )  # fmt: skip
        return Response(AnswerSerializer(decision).data)
