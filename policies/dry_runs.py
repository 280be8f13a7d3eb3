"""Conditions tried on made-up actions before they are saved: with and without every optional field.

What an action may lack (an amount, fields of a payload) is lacking in some of them, and the numbers and
texts that the condition compares with are met, missed and passed. A condition that has no answer for one of
them would deny such an action when it is asked, so it is refused while somebody is looking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from audit.refusals import Problem
from policies.conditions import Condition, ConditionFailed, Facts, read_condition
from policies.destinations import Destination, DestinationInvalid, check_destination
from policies.facts import Action, Money, Subject
from policies.language import DocumentInvalid, PolicySet
from registry.documents import join

_MOST: Final = 600
_SOME_DAY: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
# A field of a payload may hold anything; of these, only what is missing counts as a defect.
_LEAVES: Final[tuple[object, ...]] = (1, "text", True, [], ["text"], [1], [{}], {}, None)
_MISSING: Final = frozenset({"KeyError", "IndexError"})
_PLAIN: Final = Subject(
    agent="some-agent", team="some-team", tags=frozenset(), environment="production", capabilities=frozenset(),
    data_scopes=frozenset(), state="active", kill=None, released=True,
)  # fmt: skip
_BARE: Final = Action(
    verb="some.verb", capability="read", destinations=(), units=1, amount=None, data_classes=frozenset(),
    data_scopes=frozenset(), payload={},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Case:
    action: Action
    subject: Subject = _PLAIN
    now: datetime = _SOME_DAY
    # Whether the payload holds made-up values, whose types say nothing about real ones.
    guessed: bool = False


def require_conditions(policy_set: PolicySet, *, at: str = "") -> None:
    """Try every condition of a policy set.

    Args:
        policy_set: from `policies.language.parse`.
        at: pointer to the policies in the whole document.

    Raises:
        DocumentInvalid: with a pointer to each condition that has no answer for some action.
    """
    problems = [
        Problem(join(at, policy.slug, "rules", index, rule.kind, "when"), "condition_fails", detail)
        for policy in policy_set.policies.values()
        for index, rule in enumerate(policy.rules)
        if rule.selectors.when is not None and (detail := _defect(rule.selectors.when.text))
    ]
    if problems:
        raise DocumentInvalid(problems)


@lru_cache(maxsize=4_096)
def _defect(text: str) -> str:
    condition = read_condition(text)
    for case in islice(_cases(condition), _MOST):
        try:
            condition.holds(Facts(case.action, case.subject, case.now))
        except ConditionFailed as failure:
            if not case.guessed or failure.kind in _MISSING:
                return _told(case, failure.kind)
    return ""


def _told(case: _Case, kind: str) -> str:
    action = case.action
    amount = f"amount {action.amount}" if action.amount else "no amount"
    what = f"units {action.units}, {amount}, {len(action.destinations)} destinations, payload {action.payload!r:.60}"
    if kind == "NotABool":
        return f"It must come out true or false, and does not for an action with {what}."
    hint = " Guard what may be missing with has() or size()." if kind in _MISSING else ""
    return f"It has no answer ({kind}) for an action with {what}.{hint}"


def _cases(condition: Condition) -> Iterator[_Case]:
    reading = condition.reading
    units = sorted({1, 2, *_around(reading.numbers, least=1)})
    amounts: list[Money | None] = [None, *_amounts(reading.numbers, reading.texts)]
    payloads = list(_payloads(reading.paths))
    for payload in payloads:
        for amount in amounts[:2]:
            yield _Case(replace(_BARE, payload=payload, amount=amount), guessed=payload != {})
            yield _Case(replace(_BARE, payload=payload, amount=amount, units=units[-1]), guessed=payload != {})
    for number in units:
        for amount in amounts:
            yield _Case(replace(_BARE, units=number, amount=amount))
    for amount in amounts[:2]:
        bare = replace(_BARE, amount=amount)
        for places in _places(reading.texts):
            yield _Case(replace(bare, destinations=places))
        for text in reading.texts:
            yield _Case(replace(bare, verb=text))
            yield _Case(replace(bare, capability=text))
            yield _Case(bare, replace(_PLAIN, agent=text))
            yield _Case(bare, replace(_PLAIN, team=text))
            yield _Case(bare, replace(_PLAIN, environment=text))
            yield _Case(bare, replace(_PLAIN, tags=frozenset({text})))
        for days in range(7):
            yield _Case(bare, now=_SOME_DAY + timedelta(days=days, hours=5 * days))


def _around(numbers: Sequence[int], *, least: int) -> set[int]:
    return {near for number in numbers for near in (number - 1, number, number + 1) if least <= near < 2**53}


def _amounts(numbers: Sequence[int], texts: Sequence[str]) -> Iterator[Money]:
    currencies = ["USD", *(text for text in texts if len(text) == len("USD") and text.isupper())][:4]
    for nano in sorted({1, 10**9, *_around(numbers, least=0)})[:12]:
        for currency in currencies:
            yield Money(Decimal(nano).scaleb(-9), currency)


def _places(texts: Sequence[str]) -> Iterator[tuple[Destination, ...]]:
    found = [check_destination("https://some.example/place"), check_destination("email:some@some.example")]
    yield (found[0],)
    yield tuple(found)
    for text in texts:
        try:
            yield (check_destination(text),)
        except DestinationInvalid:
            continue


def _payloads(paths: Sequence[tuple[str, ...]]) -> Iterator[Any]:
    """Yield payloads that lack each field at each step, and such that have them all."""
    yield {}
    whole = sorted(set(paths))
    for leaf in _LEAVES:
        yield _grown(whole, leaf)
    for path in whole:
        for length in range(len(path)):
            cut = [other[:length] if other[: length + 1] == path[: length + 1] else other for other in whole]
            yield _grown(cut, {})
            yield _grown([path[:length]], {})


def _grown(paths: Sequence[tuple[str, ...]], leaf: object) -> dict[str, Any]:
    root: dict[str, Any] = {}
    # Longer ones last, so that what they need below is not overwritten by a shorter one's leaf.
    for path in sorted(paths, key=len):
        node = root
        for token in path[:-1]:
            below = node.get(token)
            if not isinstance(below, dict):
                below = node[token] = {}
            node = below
        if path:
            node.setdefault(path[-1], leaf if not isinstance(leaf, dict) else {})
    return root
