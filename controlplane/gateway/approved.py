"""What was approved or allowed, read back as the engine takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from approvals.models import ActionRevision, ApprovalRequest
from audit.refusals import Missing
from controlplane.gateway.bodies import (
    ActionFields,
    CallBody,
    action_digest,
    canonical_action,
    convert,
    declare,
    declared_of,
)
from policies.facts import Declared
from policies.models import Decision, Payload
from registry.authentication import Principal


@dataclass(frozen=True, slots=True)
class Approved:
    """The action that a grant is for.

    Attributes:
        canonical: RFC 8785 form of the action: the bytes to execute.
        digest: of these bytes.
        declared: the same, for the engine.
        facts: what reviewers saw beside the bytes; empty where nobody reviewed.
        task, estimate_nanousd: what the budget needs.
        is_call: whether it is a tool call, whose protocol knows one final answer and a fixed end of the permission.
    """

    canonical: bytes
    digest: str
    declared: Declared
    facts: dict[str, Any]
    task: str
    estimate_nanousd: int | None
    is_call: bool = False


def find_decision(*, action_id: UUID, principal: Principal) -> Decision:
    """Return the decision if the key's agent asked it, or is to execute it, in the key's environment.

    Raises:
        Missing: unknown or not theirs; the answer is the same.
    """
    decision = Decision.objects.filter(pk=action_id, environment=principal.environment).first()
    if decision is None:
        raise Missing
    if principal.agent_id == decision.agent_id:
        return decision
    # An executor acts for its team: one that has left it has lost the right.
    if principal.agent_id != decision.executor_id or principal.team_id != decision.agent.team_id:
        raise Missing
    return decision


def of_request(request: ApprovalRequest) -> Approved:
    """Read the current revision of a held action."""
    revision = ActionRevision.objects.get(request=request, number=request.revision)
    return of_revision(revision, verb=request.decision.verb)


def is_intact(request: ApprovalRequest) -> bool:
    """Whether the stored bytes of the current revision are still those that its digest names."""
    revision = ActionRevision.objects.get(request=request, number=request.revision)
    return action_digest(bytes(revision.body)) == revision.digest


def of_revision(revision: ActionRevision, *, verb: str) -> Approved:
    """Read one revision of a held action."""
    raw = bytes(revision.body)
    value = json.loads(raw)
    facts = revision.facts
    fields = convert(
        {
            "destination": value["destination"],
            "units": value["units"],
            "amount": value["amount"],
            "payload": value["payload"],
            "data_classes": facts["declared_data_classes"],
        },
        ActionFields,
    )
    declared = declare(
        fields,
        verb=verb,
        capability=facts["capability"],
        data_scopes=facts["declared_data_scopes"],
        provenance=facts["provenance"],
    )
    task, estimate = facts["task"], facts["estimated_cost_nanousd"]
    return Approved(raw, revision.digest, declared, facts, task, estimate, is_call="call" in value)


def of_decision(decision: Decision) -> Approved:
    """Read what an agent asked for itself, where nobody had to review it."""
    body: CallBody = convert(json.loads(bytes(Payload.objects.get(pk=decision.pk).body)), CallBody)
    canonical = canonical_action(body, agent=decision.agent.slug, environment=decision.environment, verb=body.verb)
    digest, estimate = action_digest(canonical), body.estimated_cost_nanousd
    return Approved(canonical, digest, declared_of(body), {}, body.task, estimate, is_call=body.call is not None)
