"""The properties of every policy set see a fault: each catches the twins that break it, and so does the reference."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies.engine import judge
from tests.policies.cases import declared, snapshot, subject
from tests.policies.properties import PROPERTIES, UNSPOKEN, Engine, ask
from tests.policies.test_differential import compare
from tests.policies.twins import (
    OF_PROPERTIES,
    BelievesLabels,
    FirstRecipientOnly,
    FirstThatSpeaks,
    LeaveWins,
    ShadowIsEnforced,
    SilenceIsLeave,
    SkipsWhatFails,
    SkipsWhatObliges,
)
from tests.policies.worlds import Dice

pytestmark = pytest.mark.once

FAULTS = [(name, twin) for name, twins in OF_PROPERTIES.items() for twin in twins]
TWINS = [
    BelievesLabels, FirstRecipientOnly, FirstThatSpeaks, LeaveWins, ShadowIsEnforced, SilenceIsLeave, SkipsWhatFails,
    SkipsWhatObliges,
]  # fmt: skip


def breaks(name: str, twin: type[Engine]) -> bool:
    """Say whether a property is broken by a twin in any of many random worlds."""
    for seed in range(1_000):
        dice = Dice.without(seed, UNSPOKEN.get(name))
        document = dice.document()
        check, naive = PROPERTIES[name](twin, dice, document), twin(document)
        if any(check(ask(naive, dice.asked(document))) is False for _ in range(10)):
            return True
    return False


def test_each_property_has_a_twin() -> None:
    assert set(OF_PROPERTIES) == set(PROPERTIES)
    assert all(OF_PROPERTIES.values())


@pytest.mark.parametrize(("name", "twin"), FAULTS, ids=[f"{name}, {twin.__name__}" for name, twin in FAULTS])
def test_a_twin_breaks_its_property(name: str, twin: type[Engine]) -> None:
    assert breaks(name, twin), "the random worlds never reach the difference"


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_is_told_apart_by_the_reference(twin: type[Engine]) -> None:
    def differs(seed: int) -> bool:
        dice = Dice(seed)
        document = dice.document()
        naive = twin(document)
        try:
            for _ in range(10):
                compare(ask(naive, dice.asked(document)))
        except AssertionError:
            return True
        return False

    assert any(map(differs, range(1_000)))


def test_nothing_is_raised_whatever_comes_in() -> None:
    compiled = snapshot({})
    for broken in (None, 3, declared(["not", "a", "verb"])):  # type: ignore[arg-type]
        action, verdict = judge(compiled, subject(), broken, datetime.max.replace(tzinfo=UTC))  # type: ignore[arg-type]
        assert action is None
        assert [one.code for one in verdict.reasons] == ["evaluation_error"]
