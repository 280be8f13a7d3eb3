"""The one table of states: total against every state of the apps, and readable without colour."""

from __future__ import annotations

import pytest
from django.db.models import TextChoices

from approvals.states import ApprovalState, GrantState, Tier, Verdict
from audit.chain import Verdict as TrailVerdict
from controlplane.console.states import MARKS, SHAPES, mark
from controlplane.console.tags import draw_state
from controlplane.delivery.states import DeliveryState, EndpointState
from costs.states import ReservationState
from policies.language.shapes import MODES
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

TOTAL: dict[str, type[TextChoices]] = {
    "effect": Effect,
    "approval": ApprovalState,
    "grant": GrantState,
    "verdict": Verdict,
    "risk": Tier,
    "agent": AgentState,
    "enforcement": Enforcement,
    "version": VersionState,
    "release": ReleaseState,
    "key": KeyState,
    "command": CommandState,
    "kill": KillState,
    "transfer": TransferState,
    "replay": ReplayState,
    "firing": FiringState,
    "trigger": TriggerMode,
    "revision": RevisionState,
    "run": RunStatus,
    "step": RunStatus,
    "failure": FailureState,
    "reservation": ReservationState,
    "webhook": EndpointState,
    "delivery": DeliveryState,
}
OURS = {"budget", "glass", "mode", "person", "trail", "todo"}


@pytest.mark.parametrize(("kind", "states"), TOTAL.items())
def test_every_state_is_drawn(kind: str, states: type[TextChoices]) -> None:
    assert set(states.values) <= set(MARKS[kind])


def test_every_kind_is_known() -> None:
    assert set(MARKS) == set(TOTAL) | OURS
    assert set(TrailVerdict) <= set(MARKS["trail"])
    assert set(MODES) == set(MARKS["mode"])


@pytest.mark.parametrize("kind", MARKS)
def test_no_two_states_of_a_kind_differ_by_colour_alone(kind: str) -> None:
    assert len({found.word for found in MARKS[kind].values()}) == len(MARKS[kind])
    assert all(found.shape in SHAPES for found in MARKS[kind].values())


def test_an_unknown_state_is_an_error_and_not_a_blank() -> None:
    with pytest.raises(KeyError):
        mark("agent", "asleep")


def test_a_state_is_drawn_with_its_word() -> None:
    drawn = draw_state("paused", "agent")
    assert "<svg" in drawn
    assert 'aria-hidden="true"' in drawn
    assert drawn.endswith("paused</span>")
