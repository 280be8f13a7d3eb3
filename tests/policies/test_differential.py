"""The engine against the reference evaluator: the same answer, reasons, queues, limits and time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from policies.compile import Snapshot
from policies.engine import judge
from policies.facts import Action
from tests.policies import reference
from tests.policies.cases import VERB_DOCUMENT, snapshot
from tests.policies.worlds import Dice, World


def compare(world: World, compiled: Snapshot) -> str:
    action, verdict = judge(compiled, world.who, world.said, world.now)
    assert isinstance(action, Action)
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


def agree(seeds: range, *, each: int) -> Counter[str]:
    """Compare as many actions of each world; return how often each effect came out."""
    effects: Counter[str] = Counter()
    for seed in seeds:
        dice = Dice(seed)
        document = dice.document()
        compiled = snapshot(document)
        effects.update(compare(dice.asked(document), compiled) for _ in range(each))
    return effects


def test_engine_and_reference_agree() -> None:
    effects = agree(range(500), each=20)
    assert effects.total() == 10_000
    assert min(effects[effect] for effect in ("allow", "deny", "review", "throttle")) >= 100, effects


@pytest.mark.long(minutes=3)
@pytest.mark.once
def test_engine_and_reference_agree_at_length() -> None:
    effects = agree(range(1_000_000, 1_025_000), each=40)
    assert effects.total() == 1_000_000
