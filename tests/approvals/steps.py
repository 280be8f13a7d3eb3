"""Steps of an approval, for tests: an agent asks, people look, vote and edit."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from approvals.models import ActionRevision, ApprovalRequest, Grant
from approvals.operations.opening import current_revision
from audit import sql
from controlplane import gateway
from controlplane.gateway.answers import Answer
from registry.authentication import Principal, authenticate
from registry.models import User
from tests.journeys.installation import Installation
from tests.reviewing import read_and_vote

MAIL = {"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}
FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}


def principal_of(installation: Installation) -> Principal:
    """Authenticate the installation's key."""
    principal = authenticate(installation.key, now=sql.now())
    assert principal is not None
    return principal


def ask(installation: Installation, key: str, **action: Any) -> Answer:
    """Ask through the gateway."""
    return gateway.ask(principal=principal_of(installation), key=key, raw=json.dumps(action).encode())


def hold_mail(installation: Installation, key: str = "mail") -> ApprovalRequest:
    """Have the example's email held."""
    answer = ask(installation, key, **MAIL)
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.get(decision=answer.id)


def say(request: ApprovalRequest, username: str, verdict: str = "approve", **other: Any) -> ApprovalRequest:
    """Open the current bytes and vote on them."""
    request.refresh_from_db()
    return read_and_vote(request, verdict=verdict, by=User.objects.get(username=username), **other)


def change(request: ApprovalRequest, username: str, **fields: Any) -> ApprovalRequest:
    """Edit the current bytes."""
    request.refresh_from_db()
    return gateway.edit(
        request_id=request.pk,
        revision=request.revision,
        raw=json.dumps(fields).encode(),
        by=User.objects.get(username=username),
    )


def current(request: ApprovalRequest) -> ActionRevision:
    """Return the current revision."""
    return current_revision(request)


def grant_of(request: ApprovalRequest) -> Grant:
    """Return the grant that came out of a request."""
    return Grant.objects.get(approval=request)


def redeem(installation: Installation, request: ApprovalRequest, key: str = "r", **other: Any) -> gateway.Redeemed:
    """Redeem what was approved."""
    fields: dict[str, Any] = {"digest": current(request).digest, **other}
    return gateway.redeem(
        principal=principal_of(installation), action_id=UUID(str(request.decision_id)), key=key, **fields
    )
