"""Judging one recorded decision again (pure).

What a decision keeps is what the agent said, its team, its environment and the moment. Its other
facts follow from its answer: had it been paused, unreleased or without the capability, the answer
would say so, and no policy changes that. Where it says nothing of the kind, the agent had what it
needed. Tags and the verb catalogue are those of now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policies.compile import Snapshot
from policies.demands import exhausted
from policies.engine import judge
from policies.facts import Reason, Subject
from policies.replaying.facts import Recorded
from policies.replaying.windows import Windows
from registry.catalogue import CAPABILITIES

# What no policy decides: with one of these the recorded answer stands.
CARRIED: Final = frozenset(
    {"kill_switch", "agent_paused", "agent_retired", "not_released", "capability_missing", "scope_missing"}
)
# What comes after the policies, and only after what they said then.
_AFTER: Final[Mapping[str, str]] = {"budget_exhausted": "allow", "approval_queue_full": "review"}
_BLOCKED: Final = frozenset({"deny", "throttle"})
_EVERYTHING: Final = frozenset(CAPABILITIES)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an agent now.

    Attributes:
        slug: its name.
        team: slug of its present team.
    """

    slug: str
    team: str
    tags: frozenset[str]
    data_scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Again:
    """How a recorded decision comes out.

    Attributes:
        kind: ``newly_blocked``, ``newly_allowed``, ``newly_held``, ``unchanged``, ``carried`` or ``erased``.
        effect: what it would say.
        reasons: why; empty where it was not judged.
        queues: who would hold it.
    """

    kind: str
    effect: str
    reasons: tuple[Reason, ...] = ()
    queues: tuple[str, ...] = ()


def judge_again(snapshot: Snapshot, agents: Mapping[int, Known], windows: Windows, recorded: Recorded) -> Again:
    """Judge one decision; it takes from the windows what an allow takes.

    Args:
        snapshot: the revision.
        agents: by key.
        windows: limits so far; decisions come in their own order.
        recorded: the decision.
    """
    codes = {reason.code for reason in recorded.reasons}
    if not codes.isdisjoint(CARRIED):
        return Again("carried", recorded.effect)
    declared, known = recorded.declared, agents.get(recorded.agent_id)
    if declared is None or known is None:
        return Again("erased", recorded.effect)
    scopes = known.data_scopes
    if declared.data_scopes is not None and not declared.data_scopes <= scopes:
        scopes = scopes | declared.data_scopes
    subject = Subject(
        agent=known.slug,
        team=recorded.team,
        tags=known.tags,
        environment=recorded.environment,
        capabilities=_EVERYTHING,
        data_scopes=scopes,
        state="active",
        kill=None,
        released=True,
    )
    _, verdict = judge(snapshot, subject, declared, recorded.at)
    effect, reasons, queues = verdict.effect, verdict.reasons, verdict.queues
    if effect in {"allow", "review"} and verdict.limits:
        spent = windows.exhausted(verdict.limits, at=recorded.at)
        if spent is not None:
            effect, reasons, queues = "throttle", (exhausted(*spent),), ()
    for code, then in _AFTER.items():
        if code in codes and effect == then:
            return Again("carried", recorded.effect)
    if effect == "allow" and verdict.limits:
        windows.take(verdict.limits, at=recorded.at)
    return Again(_kind(recorded.effect, effect), effect, reasons, queues)


def _kind(before: str, now: str) -> str:
    if before == now or (before in _BLOCKED and now in _BLOCKED):
        return "unchanged"
    return {"allow": "newly_allowed", "review": "newly_held"}.get(now, "newly_blocked")
