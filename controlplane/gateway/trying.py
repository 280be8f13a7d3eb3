"""What would happen if: one made-up action judged, and a recorded one judged again. Nothing is written or taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audit.refusals import Missing, invalid
from controlplane.gateway import standing as facts
from controlplane.gateway.approved import of_decision
from controlplane.gateway.bodies import AskBody, CallBody, convert, declared_of
from controlplane.gateway.routing import routed
from controlplane.gateway.verdicts import judged
from policies import snapshots
from policies.compile import compile_set
from policies.destinations import DestinationInvalid, check_destination
from policies.explaining import Near, explain
from policies.facts import Action, Declared, Subject, Verdict
from policies.language import PolicySet, parse
from policies.models import Decision, Payload, Revision
from registry.catalogue import VerbSpec
from registry.models import Agent
from registry.states import Environment


@dataclass(frozen=True, slots=True)
class Tried:
    """What the policies say, and of today's asks which queues take them; limits count as unused, budgets are not asked.

    Attributes:
        action: what counts, None where nothing could be extracted.
        verdict: the answer.
        revision: number of the revision that judged, 0 for none.
        near: the allow and review rules that came nearest.
        at: the moment that it was judged for, aware.
    """

    action: Action | None
    verdict: Verdict
    revision: int
    near: tuple[Near, ...]
    at: datetime


def read_action(value: Any) -> AskBody:
    """Read a made-up action as strictly as an ask.

    Args:
        value: strictly parsed JSON.

    Raises:
        Invalid: with a pointer to the defect.
    """
    body: AskBody = convert(value, AskBody)
    if body.destination is not None:
        try:
            check_destination(body.destination)
        except DestinationInvalid as error:
            raise invalid("/destination", error.code, error.detail) from error
    return body


def try_action(
    *, agent: Agent, body: AskBody, environment: str, revision: Revision | None, at: datetime | None, now: datetime
) -> Tried:
    """Judge a made-up action of an agent as it stands now.

    Args:
        agent: visible to whoever asks.
        body: from `read_action`.
        environment: of `registry.states.Environment`.
        revision: judged by this one; None: by the published one.
        at: when it is asked, aware; None: now.
        now: aware UTC.

    Raises:
        Invalid: another environment.
    """
    if environment not in Environment.values:
        raise invalid("/environment", "unknown_value", f"An environment is one of {', '.join(Environment.values)}.")
    standing = facts.by_agent(agent_id=agent.pk, environment=environment, lock=False)
    chosen = revision or snapshots.published()
    return _routed(_judged(chosen, standing.subject(), declared_of(body), at=at or now), standing)


def try_again(*, decision: Decision, now: datetime) -> Tried:
    """Judge what an agent asked once more, by the policies and the agent's state of now.

    Raises:
        Missing: the payload was erased, so that nothing can be judged.
    """
    standing = facts.by_agent(agent_id=decision.agent_id, environment=decision.environment, lock=False)
    return _routed(_judged(snapshots.published(), standing.subject(), _declared(decision), at=now), standing)


def judge_as_then(*, decision: Decision) -> Tried:
    """Judge what an agent asked by the revision and at the moment of the decision.

    The agent counts as active, released and in its team of then; its rights and tags, and the
    verb catalogue, are those of now: what was true of them then is in the trail only.

    Raises:
        Missing: the payload was erased, or the revision is unknown.
    """
    standing = facts.by_agent(agent_id=decision.agent_id, environment=decision.environment, lock=False)
    revision = Revision.objects.filter(number=decision.policy_revision).first()
    if revision is None and decision.policy_revision:
        raise Missing
    subject = replace(standing.subject(), team=decision.team, state="active", kill=None, released=True)
    return _judged(revision, subject, _declared(decision), at=decision.at)


def declared_body(decision: Decision) -> AskBody:
    """Return what the agent declared, its payload included: who shows it has to ask who may see that.

    Raises:
        Missing: it was erased.
    """
    payload = Payload.objects.filter(pk=decision.pk).first()
    if payload is None:
        raise Missing
    body: AskBody = convert(json.loads(bytes(payload.body)), CallBody)
    return body


def _declared(decision: Decision) -> Declared:
    if not Payload.objects.filter(pk=decision.pk).exists():
        raise Missing
    return of_decision(decision).declared


def _judged(revision: Revision | None, subject: Subject, declared: Declared, *, at: datetime) -> Tried:
    policies = parse(revision.document) if revision else PolicySet({})
    verbs = snapshots.verbs_in_force()
    action, verdict = judged(compile_set(policies, verbs, None), subject, declared, now=at)
    return Tried(action, verdict, revision.number if revision else 0, _near(policies, verbs, subject, action, at), at)


def _routed(tried: Tried, standing: facts.Standing) -> Tried:
    return replace(tried, verdict=routed(tried.verdict, tried.action, standing))


def _near(
    policies: PolicySet, verbs: dict[str, VerbSpec], subject: Subject, action: Action | None, at: datetime
) -> tuple[Near, ...]:
    return () if action is None else explain(policies, verbs, subject, action, now=at)


def codes(verdict: Verdict) -> Sequence[str]:
    """Return the codes of a verdict's reasons."""
    return [reason.code for reason in verdict.reasons]
