"""The engine against the reference evaluator, and against itself: the same answers, and every property holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.policies import reference
from tests.policies.cases import VERB_DOCUMENT
from tests.policies.properties import PROPERTIES, UNSPOKEN, Asked, Engine, ask
from tests.policies.worlds import Dice

pytestmark = pytest.mark.once


def compare(asked: Asked) -> str:
    """Hold an answer against the reference's; return the effect."""
    world, action, verdict = asked.world, asked.action, asked.verdict
    got = reference.Answer(
        verdict.effect,
        frozenset((one.policy, one.rule, one.code) for one in verdict.reasons),
        verdict.queues,
        frozenset(
            (
                one.policy, one.rule, one.by_value, one.units, one.maximum, one.window_seconds,
                "split_guarded" if one.split else "rate_limited",
            )
            for one in verdict.limits
        ),
        verdict.retry_at,
        frozenset((one["policy"], one["rule"], f"{one['name']}:{one['value']}") for one in verdict.obligations),
    )  # fmt: skip
    if verdict.retry_at is not None and verdict.retry_at > world.now + timedelta(days=30):
        # The reference looks no further; hours of two zones may first meet after the next jump of a clock.
        got = replace(got, effect="deny", retry_at=None, limits=frozenset())
    assert got == reference.evaluate(world.document, VERB_DOCUMENT, world.who, action, world.now), world
    for supposed in verdict.would_have:
        enforced = {**world.document, supposed.policy: {**world.document[supposed.policy], "mode": "enforce"}}
        expected = reference.evaluate(enforced, VERB_DOCUMENT, world.who, action, world.now)
        codes = {one.code for one in supposed.reasons}
        assert codes == {code for _, _, code in expected.codes}, world
        assert supposed.effect == expected.effect or codes <= {"outside_hours", "frozen"}, world
    return verdict.effect


@dataclass(slots=True)
class Walked:
    """What was held against something, without a difference.

    Attributes:
        effects: how often each effect was the reference's, too.
        cases: how often each property held.
    """

    effects: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)


def walk(seeds: range, *, each: int) -> Walked:
    """Ask each document so many things; hold every answer against the reference and against one of the properties."""
    walked, names = Walked(), list(PROPERTIES)
    for seed in seeds:
        name = names[seed % len(names)]
        dice = Dice.without(seed, UNSPOKEN.get(name))
        document = dice.document()
        check, ours = PROPERTIES[name](Engine, dice, document), Engine(document)
        for _ in range(each):
            asked = ask(ours, dice.asked(document))
            walked.effects[compare(asked)] += 1
            held = check(asked)
            assert held is not False, (name, seed, asked.world)
            walked.cases[name] += held is not None
    return walked


def test_engine_and_reference_agree_and_every_property_holds() -> None:
    walked = walk(range(500), each=23)
    print(f"{walked.effects.total()} answers compared, {walked.cases.total()} cases of properties: {walked.cases}")
    assert walked.effects.total() >= 10_000
    assert min(walked.effects[effect] for effect in ("allow", "deny", "review", "throttle")) >= 100, walked
    assert walked.cases.total() >= 10_000, walked
    assert min(walked.cases[name] for name in PROPERTIES) >= 100, walked


@pytest.mark.long(minutes=4)
def test_engine_and_reference_agree_and_every_property_holds_at_length() -> None:
    walked = walk(range(1_000_000, 1_020_000), each=56)
    print(f"{walked.effects.total()} answers compared, {walked.cases.total()} cases of properties: {walked.cases}")
    assert walked.effects.total() >= 1_000_000
    assert walked.cases.total() >= 1_000_000, walked
