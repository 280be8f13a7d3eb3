"""What must hold for every policy set: properties, and twins of the engine that break them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine import evaluate, judge
from policies.facts import Action, Verdict
from policies.selectors import parse_destination_pattern
from tests.policies.cases import NOW, declared, snapshot, subject
from tests.policies.reference_selectors import CONDITIONS, NoAnswer, sources, tainted_by
from tests.policies.worlds import DICE, LABELS, PATTERNS, Dice, World

pytestmark = [pytest.mark.slow, pytest.mark.once]

STRICTNESS = ["allow", "review", "throttle", "deny"]
MANY = settings(max_examples=100)
RESTRICTIONS = ["forbid", "forbid", "limit", "split", "hours", "freeze"]


def strictness(verdict: Verdict) -> int:
    return STRICTNESS.index(verdict.effect)


@MANY
@given(DICE)
def test_no_policies_deny_everything(dice: Dice) -> None:
    assert [one.code for one in replace(dice.world(), document={}).answer().reasons] == ["no_rule"]


@MANY
@given(DICE)
def test_only_allow_and_review_rules_permit(dice: Dice) -> None:
    world = dice.world()
    stripped = {
        slug: {**policy, "rules": [rule for rule in policy["rules"] if not {"allow", "review"} & set(rule)]}
        for slug, policy in world.document.items()
    }
    assert replace(world, document=stripped).answer().effect == "deny"


@MANY
@given(DICE)
def test_a_forbid_of_everything_wins(dice: Dice) -> None:
    world = dice.world()
    document = {**world.document, "no": {"rules": [{"forbid": {"name": "all"}}]}}
    verdict = replace(world, document=document).answer()
    assert verdict.effect == "deny"
    assert ("no", "all", "forbidden") in {(one.policy, one.rule, one.code) for one in verdict.reasons}


@MANY
@given(DICE)
def test_adding_a_restriction_never_loosens(dice: Dice) -> None:
    world = dice.world()
    rule = {kind: {"name": "more", **body} for kind, body in dice.rule(*RESTRICTIONS).items()}
    document = {**world.document, "more": {"rules": [rule]}}
    assert strictness(replace(world, document=document).answer()) >= strictness(world.answer()), (world, rule)


@MANY
@given(DICE)
def test_order_means_nothing(dice: Dice) -> None:
    world = dice.world()
    shuffled = {
        slug: {**world.document[slug], "rules": dice.sample(rules, len(rules))}
        for slug in dice.sample(list(world.document), len(world.document))
        for rules in [world.document[slug]["rules"]]
    }
    assert replace(world, document=shuffled).answer() == world.answer(), world


@MANY
@given(DICE)
def test_shadow_policies_never_change_an_answer(dice: Dice) -> None:
    world = dice.world()
    shadows = {f"shadow-{slug}": {**one, "mode": "shadow"} for slug, one in dice.document().items()}
    with_shadows = replace(world, document={**world.document, **shadows}).answer()
    assert replace(with_shadows, would_have=()) == replace(world.answer(), would_have=()), (world, shadows)


@MANY
@given(DICE)
def test_labels_only_tighten(dice: Dice) -> None:
    world = dice.world()
    labels = world.said.data_classes | set(dice.sample(LABELS, dice.randint(1, 3)))
    labelled = replace(world, said=replace(world.said, data_classes=labels))
    assert strictness(labelled.answer()) >= strictness(world.answer()), (world, labels)


@MANY
@given(DICE)
def test_claims_of_provenance_permit_nothing_that_silence_would_not(dice: Dice) -> None:
    world = dice.world()
    permits = {
        slug: {**policy, "rules": [rule for rule in policy["rules"] if {"allow", "review"} & set(rule)]}
        for slug, policy in world.document.items()
    }
    silent = replace(world, document=permits, said=replace(world.said, provenance={}))
    if "no_rule" in {one.code for one in silent.answer().reasons}:
        assert replace(world, document=permits).answer().effect == "deny", world


@MANY
@given(DICE)
def test_obligations_change_nothing_but_what_they_oblige_to(dice: Dice) -> None:
    world = dice.world()
    bare = {
        slug: {
            **policy,
            "rules": [
                {
                    kind: {key: value for key, value in body.items() if key != "obligations"}
                    for kind, body in one.items()
                }
                for one in policy["rules"]
            ],
        }
        for slug, policy in world.document.items()
    }
    answer, without = world.answer(), replace(world, document=bare).answer()
    assert replace(answer, obligations=()) == without
    assert not answer.obligations or answer.effect in {"allow", "review"}


@MANY
@given(DICE)
def test_more_units_never_loosen(dice: Dice) -> None:
    # A condition may want many units, as much as it may want few.
    dice.conditions = tuple(text for text in CONDITIONS if "units" not in text)
    world = dice.world()
    compiled = snapshot(world.document)
    action, verdict = judge(compiled, world.who, world.said, world.now)
    assert isinstance(action, Action)
    more = replace(action, units=action.units + dice.randint(1, 30))
    assert strictness(evaluate(compiled, world.who, more, world.now)) >= strictness(verdict), world


@MANY
@given(DICE)
def test_several_destinations_get_the_strictest_of_their_answers(dice: Dice) -> None:
    dice.conditions = tuple(text for text in CONDITIONS if "destinations" not in text)
    world = dice.world()
    compiled = snapshot(world.document)
    action, verdict = judge(compiled, world.who, world.said, world.now)
    assert isinstance(action, Action)
    alone = [
        evaluate(compiled, world.who, replace(action, destinations=(place,)), world.now)
        for place in action.destinations
    ]
    # A limit's units add up over destinations, so what limits decide cannot be compared.
    if alone and not {"rate_limited", "split_guarded"} & {one.code for one in verdict.reasons}:
        assert strictness(verdict) == max(map(strictness, alone)), world
        assert verdict.effect != "review" or set(verdict.queues) == {queue for one in alone for queue in one.queues}


@MANY
@given(DICE, st.sampled_from(["paused", "retired", "killed", "unreleased"]))
def test_standing_comes_before_every_rule(dice: Dice, how: str) -> None:
    world = dice.world()
    if how == "killed":
        who, code = replace(world.who, kill="drill"), "kill_switch"
    elif how == "unreleased":
        who, code = replace(world.who, released=False), "not_released"
    else:
        who, code = replace(world.who, state=how), f"agent_{how}"
    assert [one.code for one in replace(world, who=who).answer().reasons] == [code]


def careless_labels(world: World) -> str:
    """Twin: lets the agent's own labels permit, by taking them for the catalogue's."""
    compiled = snapshot(world.document)
    spec = compiled.verbs[world.said.verb]
    labelled = replace(spec, data_classes=spec.data_classes | world.said.data_classes)
    compiled = replace(compiled, verbs={**compiled.verbs, world.said.verb: labelled})
    return judge(compiled, world.who, world.said, world.now)[1].effect


def first_destination_only(world: World) -> str:
    """Twin: looks at one recipient and forgets the others."""
    compiled = snapshot(world.document)
    action, _ = judge(compiled, world.who, world.said, world.now)
    assert isinstance(action, Action)
    return evaluate(compiled, world.who, replace(action, destinations=action.destinations[:1]), world.now).effect


def shadow_is_enforced(world: World) -> str:
    """Twin: forgets the mode."""
    return (
        replace(world, document={slug: {**one, "mode": "enforce"} for slug, one in world.document.items()})
        .answer()
        .effect
    )


def _kept(world: World, keep: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> str:
    """Answer without the rules of which a twin makes nothing, and with the others as it reads them."""
    document = {
        slug: {
            **policy,
            "rules": [
                {kind: read} for one in policy["rules"] for kind, body in one.items() if (read := keep(kind, body))
            ],
        }
        for slug, policy in world.document.items()
    }
    return replace(world, document=document).answer().effect


def skips_a_rule_that_fails(world: World) -> str:
    """Twin: a condition without an answer counts as one that does not hold."""
    action, _ = judge(snapshot({}), world.who, world.said, world.now)
    assert isinstance(action, Action)

    def answers(_kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return body if CONDITIONS[body.get("when", "true")](action, world.who, world.now) else None
        except NoAnswer:
            return None

    return _kept(world, answers)


def believes_claims(world: World) -> str:
    """Twin: a review that only the agent's claims of provenance make fit permits."""

    def believed(kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind != "review" or "provenance" not in body:
            return body
        found = sources(world.said.payload, world.said.provenance, body["provenance"])
        fits = bool(found & tainted_by(body))
        return {key: value for key, value in body.items() if key != "provenance"} if fits else None

    return _kept(world, believed)


@pytest.mark.parametrize(
    "twin",
    [careless_labels, first_destination_only, shadow_is_enforced, skips_a_rule_that_fails],
)
def test_naive_twins_are_told_apart(twin: Callable[[World], str]) -> None:
    worlds = (Dice(seed).world() for seed in range(3_000))
    assert any(twin(world) != world.answer().effect for world in worlds), "the random worlds never reach the difference"


def test_a_twin_that_believes_claims_is_told_apart() -> None:
    def told_apart(dice: Dice) -> bool:
        review = {"name": "r", "queue": "finance", "provenance": dice.provenance()}
        world = dice.asked({"p": {"rules": [{"review": review}]}})
        return believes_claims(world) != world.answer().effect

    assert any(told_apart(Dice(seed)) for seed in range(300))


@MANY
@given(DICE)
def test_a_pattern_permits_exactly_what_it_matches(dice: Dice) -> None:
    pattern = dice.choice(PATTERNS)
    compiled = snapshot({"p": {"rules": [{"allow": {"name": "x", "destination": pattern}}]}})
    action, verdict = judge(compiled, subject(), dice.declared(), NOW)
    assert isinstance(action, Action)
    parsed = parse_destination_pattern(pattern)
    matched = bool(action.destinations) and all(parsed.matches(place) for place in action.destinations)
    assert (verdict.effect == "allow") == matched


def test_nothing_is_raised_whatever_comes_in() -> None:
    compiled = snapshot({})
    for broken in (None, 3, declared(["not", "a", "verb"])):  # type: ignore[arg-type]
        action, verdict = judge(compiled, subject(), broken, datetime.max.replace(tzinfo=UTC))  # type: ignore[arg-type]
        assert action is None
        assert [one.code for one in verdict.reasons] == ["evaluation_error"]
