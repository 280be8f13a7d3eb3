"""What must hold for every policy set, whatever the right answer is: changes of a question whose effect is known.

Each property is prepared once for a document, and then tried on whatever is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from policies.engine import evaluate, judge
from policies.facts import Action, Declared, Subject, Verdict
from policies.selectors import parse_destination_pattern
from tests.policies.cases import snapshot
from tests.policies.worlds import LABELS, PATTERNS, Dice, World

STRICTNESS = ["allow", "review", "throttle", "deny"]
RESTRICTIONS = ["limit", "split", "hours", "freeze"]

Document = dict[str, Any]


class Engine:
    """The product's engine over one document; twins change what it reads or answers."""

    def __init__(self, document: Document) -> None:
        self.compiled = snapshot(document)

    def judge(self, who: Subject, said: Declared, now: datetime) -> tuple[Action | None, Verdict]:
        """Answer what an agent says, with the action that counts."""
        return judge(self.compiled, who, said, now)

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        """Answer for what counts."""
        return evaluate(self.compiled, who, action, now)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what an engine answered.

    Attributes:
        engine: who answered.
        world: who asked what of which document.
        action: what counts of it.
        verdict: the answer.
    """

    engine: Engine
    world: World
    action: Action
    verdict: Verdict

    def answer(self, engine: Engine) -> Verdict:
        """Ask an engine over another document the same."""
        return engine.evaluate(self.world.who, self.action, self.world.now)

    def changed(self, **changes: Any) -> Verdict:
        """Ask the same engine for an action that differs."""
        return self.engine.evaluate(self.world.who, replace(self.action, **changes), self.world.now)


def ask(engine: Engine, world: World) -> Asked:
    """Ask; whoever asks is in good standing, and what they say fits the catalogue."""
    action, verdict = engine.judge(world.who, world.said, world.now)
    assert isinstance(action, Action), world
    return Asked(engine, world, action, verdict)


# Says whether the property holds; None where it says nothing of the question.
Check = Callable[[Asked], bool | None]
Property = Callable[[type[Engine], Dice, Document], Check]


def strictness(verdict: Verdict) -> int:
    """Order effects: the less is permitted, the more."""
    return STRICTNESS.index(verdict.effect)


def codes(verdict: Verdict) -> list[str]:
    """Return the codes of its reasons."""
    return [one.code for one in verdict.reasons]


def rules(document: Document, read: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> Document:
    """Return the document with each rule's body as `read` makes it of kind and body; None leaves the rule out."""
    return {
        slug: {
            **policy,
            "rules": [
                {kind: body}
                for one in policy["rules"]
                for kind, known in one.items()
                if (body := read(kind, known)) is not None
            ],
        }
        for slug, policy in document.items()
    }


def _permits(kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
    return body if kind in {"allow", "review"} else None


def no_policies_deny_everything(engine: type[Engine], _dice: Dice, _document: Document) -> Check:
    """Nothing is permitted by default."""
    empty = engine({})

    def check(asked: Asked) -> bool:
        verdict = asked.answer(empty)
        return verdict.effect == "deny" and codes(verdict) == ["no_rule"]

    return check


def only_allow_and_review_permit(engine: type[Engine], _dice: Dice, document: Document) -> Check:
    """Whatever the other rules say, without these two nothing is permitted."""
    others = engine(rules(document, lambda kind, body: None if _permits(kind, body) else body))
    return lambda asked: asked.answer(others).effect == "deny"


def a_forbid_of_everything_wins(engine: type[Engine], _dice: Dice, document: Document) -> Check:
    """A forbid denies, and is named."""
    forbidding = engine({**document, "no": {"rules": [{"forbid": {"name": "all"}}]}})

    def check(asked: Asked) -> bool:
        verdict = asked.answer(forbidding)
        named = {(one.policy, one.rule, one.code) for one in verdict.reasons}
        return verdict.effect == "deny" and ("no", "all", "forbidden") in named

    return check


def _adding(*kinds: str) -> Property:
    def added(engine: type[Engine], dice: Dice, document: Document) -> Check:
        rule = {kind: {"name": "more", **body} for kind, body in dice.rule(*kinds).items()}
        more = engine({**document, "more": {"rules": [rule]}})
        return lambda asked: strictness(asked.answer(more)) >= strictness(asked.verdict)

    return added


def order_means_nothing(engine: type[Engine], dice: Dice, document: Document) -> Check:
    """Policies and their rules may stand in any order."""
    shuffled = engine(
        {
            slug: {**document[slug], "rules": dice.sample(known, len(known))}
            for slug in dice.sample(list(document), len(document))
            for known in [document[slug]["rules"]]
        }
    )
    return lambda asked: asked.answer(shuffled) == asked.verdict


def shadow_policies_never_change_an_answer(engine: type[Engine], dice: Dice, document: Document) -> Check:
    """But for what they say of themselves."""
    shadows = {f"shadow-{slug}": {**one, "mode": "shadow"} for slug, one in dice.document().items()}
    beside = engine({**document, **shadows})
    return lambda asked: replace(asked.answer(beside), would_have=()) == replace(asked.verdict, would_have=())


def labels_only_tighten(_engine: type[Engine], dice: Dice, _document: Document) -> Check:
    """An agent gains nothing by saying that there is more in its payload."""
    labels = frozenset(dice.sample(LABELS, dice.randint(1, 3)))

    def check(asked: Asked) -> bool:
        said = replace(asked.world.said, data_classes=asked.world.said.data_classes | labels)
        _, verdict = asked.engine.judge(asked.world.who, said, asked.world.now)
        return strictness(verdict) >= strictness(asked.verdict)

    return check


def claims_permit_nothing_that_silence_would_not(engine: type[Engine], dice: Dice, document: Document) -> Check:
    """An agent gains no permission by saying where a value comes from."""
    review = {"name": "claims", "queue": "finance", "provenance": dice.provenance()}
    permits = engine({**rules(document, _permits), "claims": {"rules": [{"review": review}]}})

    def check(asked: Asked) -> bool | None:
        world = asked.world
        silent = permits.evaluate(world.who, replace(asked.action, provenance={}), world.now)
        return asked.answer(permits).effect == "deny" if "no_rule" in codes(silent) else None

    return check


def obligations_change_nothing_else(engine: type[Engine], _dice: Dice, document: Document) -> Check:
    """They are for what is permitted, and decide nothing."""
    bare = engine(
        rules(document, lambda _kind, body: {key: value for key, value in body.items() if key != "obligations"})
    )

    def check(asked: Asked) -> bool:
        permitted = asked.verdict.effect in {"allow", "review"}
        same = replace(asked.verdict, obligations=()) == asked.answer(bare)
        return same and (permitted or not asked.verdict.obligations)

    return check


def more_units_never_loosen(_engine: type[Engine], dice: Dice, _document: Document) -> Check:
    """Who touches more is permitted no more; a condition may want many units, so none here speaks of them."""
    more = dice.randint(1, 30)
    return lambda asked: strictness(asked.changed(units=asked.action.units + more)) >= strictness(asked.verdict)


def several_destinations_get_the_strictest_answer(_engine: type[Engine], _dice: Dice, _document: Document) -> Check:
    """Nobody gets round a rule by an innocent recipient; no condition here speaks of them."""

    def check(asked: Asked) -> bool | None:
        places, verdict = asked.action.destinations, asked.verdict
        # A limit's units add up over destinations, so what limits decide cannot be compared.
        if len(places) < 2 or {"rate_limited", "split_guarded"} & set(codes(verdict)):
            return None
        alone = [asked.changed(destinations=(place,)) for place in places]
        queues = {queue for one in alone for queue in one.queues}
        strictest = strictness(verdict) == max(map(strictness, alone))
        return strictest and (verdict.effect != "review" or set(verdict.queues) == queues)

    return check


def standing_comes_before_every_rule(_engine: type[Engine], dice: Dice, _document: Document) -> Check:
    """Who is stopped is told so, and nothing else."""
    changes, code = dice.choice(
        [
            ({"state": "paused"}, "agent_paused"), ({"state": "retired"}, "agent_retired"),
            ({"kill": "drill"}, "kill_switch"), ({"released": False}, "not_released"),
        ]
    )  # fmt: skip

    def check(asked: Asked) -> bool:
        who = replace(asked.world.who, **changes)
        _, verdict = asked.engine.judge(who, asked.world.said, asked.world.now)
        return codes(verdict) == [code]

    return check


def a_pattern_permits_what_it_matches(engine: type[Engine], dice: Dice, _document: Document) -> Check:
    """That, and nothing else."""
    pattern = dice.choice(PATTERNS)
    one = engine({"p": {"rules": [{"allow": {"name": "x", "destination": pattern}}]}})
    parsed = parse_destination_pattern(pattern)

    def check(asked: Asked) -> bool:
        places = asked.action.destinations
        return (asked.answer(one).effect == "allow") == (bool(places) and all(map(parsed.matches, places)))

    return check


PROPERTIES: dict[str, Property] = {
    "no policies deny everything": no_policies_deny_everything,
    "only allow and review permit": only_allow_and_review_permit,
    "a forbid of everything wins": a_forbid_of_everything_wins,
    "adding a forbid never allows": _adding("forbid"),
    "adding a restriction never loosens": _adding(*RESTRICTIONS),
    "order means nothing": order_means_nothing,
    "shadow policies never change an answer": shadow_policies_never_change_an_answer,
    "labels only tighten": labels_only_tighten,
    "claims permit nothing that silence would not": claims_permit_nothing_that_silence_would_not,
    "obligations change nothing else": obligations_change_nothing_else,
    "more units never loosen": more_units_never_loosen,
    "several destinations get the strictest answer": several_destinations_get_the_strictest_answer,
    "standing comes before every rule": standing_comes_before_every_rule,
    "a pattern permits what it matches": a_pattern_permits_what_it_matches,
}
# Conditions that would make a property false: a rule may well want few units, or many recipients.
UNSPOKEN = {"more units never loosen": "units", "several destinations get the strictest answer": "destinations"}
