"""Editing a held action: read strictly, judged again, put in the place of the old bytes."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

import msgspec

from approvals.models import ApprovalRequest
from approvals.operations import lock_pending, revise
from approvals.operations.opening import current_revision
from approvals.operations.requests import UnknownQueue
from approvals.permissions import require_edit
from audit import sql
from audit.canonical import loads
from audit.refusals import Conflict, Invalid, Problem, TooLarge, invalid
from controlplane.gateway import standing as facts
from controlplane.gateway.approved import of_revision
from controlplane.gateway.asking import Clock, action_facts
from controlplane.gateway.bodies import (
    MAX_BODY,
    MAX_PAYLOAD,
    ActionFields,
    Amount,
    Label,
    action_digest,
    canonical_action,
    convert,
    declare,
    refuse_secret_names,
)
from controlplane.gateway.routing import risk_of, routed
from controlplane.gateway.verdicts import judged
from policies import snapshots
from policies.destinations import DestinationInvalid, check_destination
from policies.operations.decisions import reasons_as_json
from policies.states import Effect
from registry.models import User


class Edit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Body of ``PUT /api/v1/approvals/{id}/action``: what is left out stays as it is."""

    destination: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)] | msgspec.UnsetType | None = msgspec.UNSET
    units: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | msgspec.UnsetType | None = msgspec.UNSET
    amount: Amount | msgspec.UnsetType | None = msgspec.UNSET
    payload: Any = msgspec.UNSET
    data_classes: Annotated[list[Label], msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET


class RefusedByPolicy(Invalid):
    """The policy denies the edited action; the request stays as it was."""

    code, title = "policy_refuses_edit", "The policy denies the edited action"


class NothingChanged(Conflict):
    """The edit gives the bytes that are held already."""

    code, title = "nothing_changed", "The edit changes nothing"


def edit(*, request_id: UUID, revision: int, raw: bytes, by: User, clock: Clock = sql.clock) -> ApprovalRequest:
    """Replace the bytes of a held action; earlier votes are void, the expiry stays.

    Args:
        request_id: the held action.
        revision: the revision read (``If-Match``).
        raw: body of the request, an `Edit`.
        by: a reviewer.
        clock: read once, after the locks.

    Returns:
        The request at its new revision.

    Raises:
        Malformed, Invalid, TooLarge: the edit cannot be read.
        RefusedByPolicy: the policy denies the edited action.
        PreconditionFailed, AlreadyDecided, Expired, NotAReviewer, EditsClosed, NothingChanged.
    """
    if len(raw) > MAX_BODY:
        raise TooLarge("The body exceeds 1 MiB.")
    change: Edit = convert(loads(raw), Edit)
    if isinstance(change.destination, str):
        try:
            check_destination(change.destination)
        except DestinationInvalid as error:
            raise invalid("/destination", error.code, error.detail) from error
    with sql.writing():
        return _edit(request_id, revision, change, by, clock)


def _edit(request_id: UUID, revision: int, change: Edit, by: User, clock: Clock) -> ApprovalRequest:
    asked = ApprovalRequest.objects.select_related("decision").get(pk=request_id)
    standing = facts.by_agent(agent_id=asked.agent_id, environment=asked.decision.environment)
    now = clock()
    request = lock_pending(request_id=request_id, revision=revision, now=now)
    current = current_revision(request)
    require_edit(request, by, queues=list(request.queues.all()), facts=current.facts)
    old = of_revision(current, verb=request.decision.verb)
    fields = _merged(change, bytes(current.body), old.facts["declared_data_classes"])
    declared = declare(
        fields,
        verb=old.declared.verb,
        capability=old.declared.capability,
        data_scopes=old.facts["declared_data_scopes"],
        provenance=dict(old.declared.provenance),
    )
    snapshot = snapshots.current(digest=standing.policy_digest, catalogue=standing.catalogue)
    action, verdict = judged(snapshot, standing.subject(), declared, now=now)
    verdict = routed(verdict, action, standing)
    if verdict.effect == Effect.DENY or action is None:
        problems = [Problem("", reason.code, reason.text) for reason in verdict.reasons]
        raise RefusedByPolicy(errors=problems)
    canonical = canonical_action(
        fields, agent=request.agent.slug, environment=request.decision.environment, verb=declared.verb
    )
    if canonical == bytes(current.body) and fields.data_classes == old.facts["declared_data_classes"]:
        raise NothingChanged
    if len(canonical) > MAX_PAYLOAD + 4096:
        raise TooLarge("The payload exceeds 256 KiB.")
    try:
        return revise(
            request=request,
            body=canonical,
            digest=action_digest(canonical),
            facts={
                **old.facts,
                **action_facts(action),
                "declared_data_classes": list(fields.data_classes),
            },
            reasons=reasons_as_json(verdict.reasons),
            queues=verdict.queues,
            risk=risk_of(action, agent_id=request.agent_id).tier,
            by=by,
            now=now,
        )
    except UnknownQueue as error:
        detail = f"The policy names an unknown queue {error}."
        raise RefusedByPolicy(errors=[Problem("", "evaluation_error", detail)]) from error


def _merged(change: Edit, body: bytes, data_classes: list[str]) -> ActionFields:
    """Lay the edit over the held action."""
    held = {name: json.loads(body)[name] for name in ("destination", "units", "amount", "payload")}
    held["data_classes"] = data_classes
    for name in held:
        value = getattr(change, name)
        if value is not msgspec.UNSET:
            held[name] = msgspec.to_builtins(value)
    fields: ActionFields = convert(held, ActionFields)
    refuse_secret_names(fields)
    return fields
