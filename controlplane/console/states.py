"""How every state is drawn: a tone, a shape and a word, never colour alone (pure).

One table for the whole console, tested to be total against the apps' own states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from approvals.states import ApprovalState, GrantState, Tier, Verdict
from audit.chain import Verdict as TrailVerdict
from controlplane.delivery.states import DeliveryState, EndpointState
from costs.states import ReservationState
from policies.states import Effect, FiringState, ReplayState, RevisionState, TriggerMode
from registry.states import (
    AgentState,
    CommandState,
    Enforcement,
    KeyState,
    KillState,
    ReleaseState,
    TransferState,
    VersionState,
)
from runs.states import FailureState, RunStatus

# Shapes by name, as paths in a box of 16 × 16. They differ in outline, so that greyscale tells them apart.
SHAPES: Final[Mapping[str, str]] = {
    "check": "M3 8.5l3.2 3.2L13 5",
    "checks": "M1 8.5l3 3L10 5.5M7 11l.8.7L15 4.8",
    "dot": "M8 3.5a4.5 4.5 0 1 0 .01 0z",
    "half": "M8 2.5a5.5 5.5 0 1 0 .01 0zM8 2.5v11",
    "cross": "M4 4l8 8M12 4l-8 8",
    "diamond": "M8 2l6 6-6 6-6-6z",
    "return": "M4 6h5.5a3.2 3.2 0 1 1 0 6.4H5M6.5 3L3.5 6l3 3",
    "clock": "M8 2.5a5.5 5.5 0 1 0 .01 0zM8 5v3.2l2.4 1.6",
    "triangle": "M8 2.5l6 11H2z",
    "question": "M5.8 6a2.3 2.3 0 1 1 3.4 2c-.8.5-1.2.9-1.2 1.9M8 12.6v.1",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "ring": "M8 3a5 5 0 1 0 .01 0z",
    "hourglass": "M4 2.5h8M4 13.5h8M5 2.5c0 3.5 6 7.5 6 11M11 2.500c0 3.5-6 7.5-6 11",
    "dash": "M3.5 8h9",
    "square": "M4 4h8v8H4z",
    "dashed": "M3 8h2.500M7 8h2.500M11 8h2.5",
    "shield": "M8 2l5 1.800v4c0 3.2-2.2 5.2-5 6.2-2.8-1-5-3-5-6.200v-4zM5.5 7.800l2 2 3.2-3.6",
    "shield-open": "M8 2l5 1.800v4c0 3.2-2.2 5.2-5 6.2-2.8-1-5-3-5-6.200v-4z",
}
FILLED: Final = frozenset({"dot", "diamond", "square"})


@dataclass(frozen=True, slots=True)
class Mark:
    """How one state looks.

    Attributes:
        tone: ``good``, ``people``, ``bad``, ``warn``, ``busy``, ``still`` or ``shadow``; a class of the stylesheet.
        shape: of `SHAPES`.
        word: what people read.
    """

    tone: str
    shape: str
    word: str

    @property
    def path(self) -> str:
        """The shape's outline."""
        return SHAPES[self.shape]

    @property
    def filled(self) -> bool:
        """Whether the outline is filled."""
        return self.shape in FILLED


_RUN: Final[Mapping[str, Mark]] = {
    RunStatus.RUNNING: Mark("busy", "ring", "running"),
    RunStatus.WAITING: Mark("people", "half", "waiting"),
    RunStatus.SUCCEEDED: Mark("good", "check", "succeeded"),
    RunStatus.FAILED: Mark("bad", "cross", "failed"),
    RunStatus.CANCELLED: Mark("still", "dash", "cancelled"),
    RunStatus.CRASHED: Mark("bad", "diamond", "crashed"),
}

MARKS: Final[Mapping[str, Mapping[str, Mark]]] = {
    "effect": {
        Effect.ALLOW: Mark("good", "check", "allow"),
        Effect.DENY: Mark("bad", "cross", "deny"),
        Effect.REVIEW: Mark("people", "half", "review"),
        Effect.THROTTLE: Mark("warn", "clock", "throttle"),
    },
    "approval": {
        ApprovalState.PENDING: Mark("people", "half", "pending"),
        ApprovalState.APPROVED: Mark("good", "check", "approved"),
        ApprovalState.REJECTED: Mark("bad", "cross", "rejected"),
        ApprovalState.EXPIRED: Mark("still", "hourglass", "expired"),
        ApprovalState.CANCELLED: Mark("still", "dash", "cancelled"),
    },
    "glass": {ApprovalState.APPROVED: Mark("warn", "triangle", "break-glass")},
    "grant": {
        GrantState.ISSUED: Mark("busy", "ring", "issued"),
        GrantState.REDEEMED: Mark("good", "checks", "redeemed"),
        GrantState.REVOKED: Mark("bad", "cross", "revoked"),
        GrantState.EXPIRED: Mark("still", "hourglass", "expired"),
        GrantState.SUCCEEDED: Mark("good", "check", "succeeded"),
        GrantState.FAILED: Mark("bad", "cross", "failed"),
        GrantState.OUTCOME_UNKNOWN: Mark("warn", "question", "outcome unknown"),
    },
    "verdict": {
        Verdict.APPROVE: Mark("good", "check", "approve"),
        Verdict.REJECT: Mark("bad", "cross", "reject"),
    },
    "risk": {
        Tier.LOW: Mark("good", "check", "low"),
        Tier.MEDIUM: Mark("people", "half", "medium"),
        Tier.HIGH: Mark("warn", "triangle", "high"),
        Tier.CRITICAL: Mark("bad", "diamond", "critical"),
    },
    "agent": {
        AgentState.ACTIVE: Mark("good", "dot", "active"),
        AgentState.PAUSED: Mark("warn", "pause", "paused"),
        AgentState.RETIRED: Mark("still", "square", "retired"),
    },
    "enforcement": {
        Enforcement.ADVISORY: Mark("still", "shield-open", "advisory"),
        Enforcement.ENFORCED: Mark("good", "shield", "enforced"),
    },
    "version": {
        VersionState.DRAFT: Mark("still", "square", "draft"),
        VersionState.STAGING: Mark("busy", "ring", "staging"),
        VersionState.PRODUCTION: Mark("good", "dot", "production"),
        VersionState.ARCHIVED: Mark("still", "dash", "archived"),
        VersionState.DISCARDED: Mark("still", "cross", "discarded"),
    },
    "release": {
        ReleaseState.LIVE: Mark("good", "dot", "live"),
        ReleaseState.ENDED: Mark("still", "dash", "ended"),
    },
    "key": {
        KeyState.LIVE: Mark("good", "dot", "live"),
        KeyState.REVOKED: Mark("bad", "cross", "revoked"),
        "expired": Mark("still", "hourglass", "expired"),
    },
    "command": {
        CommandState.REQUESTED: Mark("busy", "ring", "requested"),
        CommandState.DELIVERED: Mark("busy", "half", "delivered"),
        CommandState.SUCCEEDED: Mark("good", "check", "succeeded"),
        CommandState.FAILED: Mark("bad", "cross", "failed"),
        CommandState.EXPIRED: Mark("warn", "hourglass", "not acknowledged"),
    },
    "transfer": {
        TransferState.PROPOSED: Mark("people", "half", "proposed"),
        TransferState.ACCEPTED: Mark("good", "check", "accepted"),
        TransferState.DECLINED: Mark("still", "cross", "declined"),
    },
    "kill": {
        KillState.IN_FORCE: Mark("bad", "pause", "in force"),
        KillState.LIFTED: Mark("still", "dash", "lifted"),
    },
    "revision": {
        RevisionState.DRAFT: Mark("still", "square", "draft"),
        RevisionState.PUBLISHED: Mark("good", "dot", "published"),
        RevisionState.SUPERSEDED: Mark("still", "dash", "superseded"),
        RevisionState.DISCARDED: Mark("still", "cross", "discarded"),
    },
    "trigger": {
        TriggerMode.OFF: Mark("still", "square", "off"),
        TriggerMode.SHADOW: Mark("shadow", "dashed", "shadow"),
        TriggerMode.WARN: Mark("warn", "triangle", "warns"),
        TriggerMode.ENFORCE: Mark("good", "shield", "enforces"),
    },
    "firing": {
        FiringState.FIRED: Mark("bad", "diamond", "fired"),
        FiringState.REARMED: Mark("still", "dash", "armed again"),
    },
    "replay": {
        ReplayState.QUEUED: Mark("still", "hourglass", "queued"),
        ReplayState.RUNNING: Mark("busy", "ring", "running"),
        ReplayState.FINISHED: Mark("good", "check", "finished"),
        ReplayState.FAILED: Mark("bad", "cross", "failed"),
        ReplayState.CANCELLED: Mark("still", "dash", "cancelled"),
    },
    "run": _RUN,
    "step": _RUN,
    "failure": {
        FailureState.NEW: Mark("bad", "diamond", "new"),
        FailureState.OPEN: Mark("bad", "cross", "open"),
        FailureState.RESOLVED: Mark("good", "check", "resolved"),
        FailureState.REGRESSED: Mark("bad", "return", "regressed"),
    },
    "reservation": {
        ReservationState.HELD: Mark("busy", "ring", "held"),
        ReservationState.SETTLED: Mark("good", "check", "settled"),
        ReservationState.RELEASED: Mark("still", "dash", "released"),
    },
    "budget": {
        "within": Mark("good", "dot", "within"),
        "near": Mark("warn", "triangle", "near its limit"),
        "spent": Mark("bad", "cross", "spent"),
        "overrun": Mark("warn", "triangle", "overrun"),
        "draft": Mark("still", "square", "draft"),
    },
    "trail": {
        TrailVerdict.INTACT: Mark("good", "check", "intact"),
        TrailVerdict.TAMPERED: Mark("bad", "cross", "tampered"),
        TrailVerdict.GAP: Mark("warn", "question", "gap"),
        TrailVerdict.UNREADABLE: Mark("bad", "diamond", "unreadable"),
        "unchecked": Mark("still", "dash", "never verified"),
    },
    "webhook": {
        EndpointState.ACTIVE: Mark("good", "dot", "active"),
        EndpointState.BROKEN: Mark("bad", "cross", "broken, only probed"),
        EndpointState.DISABLED: Mark("still", "pause", "disabled"),
    },
    "delivery": {
        DeliveryState.PENDING: Mark("busy", "ring", "pending"),
        DeliveryState.RETRYING: Mark("warn", "clock", "failed, is tried again"),
        DeliveryState.DELIVERED: Mark("good", "check", "delivered"),
        DeliveryState.DEAD: Mark("bad", "cross", "given up"),
        DeliveryState.CANCELLED: Mark("still", "dash", "cancelled"),
    },
    "mode": {
        "enforce": Mark("good", "shield", "enforced"),
        "shadow": Mark("shadow", "dashed", "shadow"),
    },
    "todo": {
        "done": Mark("good", "check", "done"),
        "open": Mark("busy", "ring", "to do"),
    },
    "person": {
        "active": Mark("good", "dot", "active"),
        "inactive": Mark("still", "square", "deactivated"),
    },
}


def mark(kind: str, value: str) -> Mark:
    """Return how a state looks.

    Args:
        kind: of `MARKS`.
        value: the state.

    Raises:
        KeyError: a kind or a state that the table does not hold.
    """
    return MARKS[kind][value]
