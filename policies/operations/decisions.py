"""Writing a decision: its row, its payload, its entry in the trail."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from audit import sql
from audit.actors import Acting
from audit.canonical import commitment
from audit.operations import record
from policies.facts import Action, Reason, Verdict
from policies.models import Decision

_COLUMNS = (
    "id", "agent_id", "team", "key_id", "environment", "version", "run_id", "step", "task", "purpose",
    "idempotency_key", "body_digest", "digest", "verb", "capability", "destinations", "units",
    "amount_value", "amount_currency", "data_classes", "effect", "reasons", "would_have", "obligations",
    "policy_revision", "retry_at", "executor_id", "estimated_cost_nanousd", "dry_run", "at",
)  # fmt: skip
_INSERT = f"INSERT INTO policies_decision ({', '.join(_COLUMNS)}) VALUES ({sql.placeholders(len(_COLUMNS))})"  # noqa: S608
_PAYLOAD = "INSERT INTO policies_payload (decision_id, salt, body) VALUES (%s, %s, %s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision about to be written; `policies.models.Decision` explains the fields.

    Attributes:
        agent: slug of the asking agent, for the trail.
        action: what counted after extraction; None where nothing could be extracted.
        verdict: the final verdict.
        body: canonical bytes of the request.
    """

    id: UUID
    agent_id: int
    agent: str
    team: str
    key_id: str
    environment: str
    version: int | None
    run_id: UUID | None
    step: str
    task: str
    purpose: str
    idempotency_key: str
    body_digest: str
    digest: str
    verb: str
    action: Action | None
    verdict: Verdict
    policy_revision: int
    executor_id: int | None
    estimated_cost_nanousd: int | None
    dry_run: bool
    body: bytes


def reasons_as_json(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Return reasons in the form that answers and rows carry."""
    return [{"policy": r.policy, "rule": r.rule, "code": r.code, "text": r.text} for r in reasons]


def _json(value: Any) -> str:
    # With the interpreter's own spaces: on SQLite decisions are found by how their reasons are written.
    return json.dumps(value) if value else "[]"


def write_decision(*, new: NewDecision, by: Acting, now: datetime) -> None:
    """Write the decision, its payload and its entry, in the caller's transaction.

    Args:
        new: the decision.
        by: the asking agent.
        now: the gateway's one reading of the clock.

    Raises:
        django.db.IntegrityError: another transaction has answered the same idempotency key.
    """
    action, verdict = new.action, new.verdict
    amount = action.amount if action else None
    salt = secrets.token_bytes(16)
    # Raw SQL: one decision by the ORM costs as much as the whole rest of the transaction.
    with sql.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                new.id.hex, new.agent_id, new.team, new.key_id, new.environment, new.version,
                sql.key(new.run_id), new.step, new.task, new.purpose, new.idempotency_key, new.body_digest,
                new.digest, new.verb, action.capability if action else "",
                _json([str(d) for d in action.destinations] if action else []),
                action.units if action else 1, _decimal(amount.value if amount else None),
                amount.currency if amount else "", _json(sorted(action.data_classes) if action else []),
                verdict.effect, _json(reasons_as_json(verdict.reasons)),
                _json([_would_have(item) for item in verdict.would_have]),
                _json([dict(item) for item in verdict.obligations]),
                new.policy_revision, sql.stamp(verdict.retry_at), new.executor_id, new.estimated_cost_nanousd,
                new.dry_run, sql.stamp(now),
            ],
        )  # fmt: skip
        cursor.execute(_PAYLOAD, [new.id.hex, salt, new.body])
    record(
        kind="action.simulated" if new.dry_run else "action.decided",
        object_type="action",
        object_id=str(new.id),
        by=by,
        now=now,
        team=new.team,
        agent=new.agent,
        outcome=verdict.effect,
        after=new.digest,
        commitment=commitment(salt, new.body),
        details={
            "policy_revision": new.policy_revision,
            "version": new.version,
            "verb": new.verb,
            "codes": [reason.code for reason in verdict.reasons],
        },
    )


def keep_obligations(*, decision: Decision, found: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
    """Add what a redemption is obliged to do by the policies of now; the redemption's entry is that of this change.

    Args:
        decision: what was asked; its own obligations stay.
        found: of the verdict at redemption.

    Returns:
        All of them together, as the decision has them from now on.
    """
    added = [dict(each) for each in found if dict(each) not in decision.obligations]
    if added:
        decision.obligations = [*decision.obligations, *added]
        Decision.objects.filter(pk=decision.pk).update(obligations=decision.obligations)
    return list(decision.obligations)


def _decimal(value: Any) -> Any:
    return connection.ops.adapt_decimalfield_value(value, 30, 9) if value is not None else None


def _would_have(item: Any) -> dict[str, Any]:
    return {"policy": item.policy, "effect": item.effect, "reasons": reasons_as_json(item.reasons)}
