"""Conditions of rules (``when``): expressions in CEL over a few variables, read once, bounded in cost.

The library has no cost limit, so what costs more than it looks is not admitted: regular expressions,
comprehensions inside comprehensions, copies of lists, and big things inside a comprehension's body.
What remains takes at most (symbols × values of the payload) steps, and both are bounded.

There are no variables for what only the agent says of its data (labels, scopes, provenance): with
them a condition could be talked out of, or into, matching. They have selectors of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import cel

from policies.expressions import ExpressionInvalid, Reading, read_expression
from policies.facts import Action, Money, Subject
from policies.provenance import Claims

__all__ = ["Condition", "ConditionFailed", "ExpressionInvalid", "Facts", "read_condition"]

# What a condition may read of a payload; a larger one fails, and so denies.
MAX_VALUES: Final = 2_000
MAX_CHARACTERS: Final = 65_536
_MOST_INTEGER: Final = 2**63 - 1


class ConditionFailed(Exception):
    """A condition has no answer for this action.

    Attributes:
        kind: one word for the kind of failure; no text, which may repeat a payload.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class Facts:
    """What conditions and provenance read of one action; converted when the first one asks, and once.

    Args:
        action: what counts.
        subject: the asking agent.
        now: aware.
    """

    __slots__ = ("_action", "_bare", "_now", "_subject", "_told", "_whole")

    def __init__(self, action: Action, subject: Subject, now: datetime) -> None:
        self._action, self._subject, self._now = action, subject, now
        self._bare: cel.Context | None = None
        self._whole: cel.Context | None = None
        self._told: Claims | None = None

    @property
    def told(self) -> Claims:
        """What the agent says of where its values came from."""
        if self._told is None:
            self._told = Claims.of(self._action.provenance)
        return self._told

    def context(self, *, payload: bool) -> cel.Context:
        """Return the variables, with the payload or without.

        Raises:
            ConditionFailed: the payload or the amount is too large.
        """
        if payload:
            if self._whole is None:
                _require_small(self._action.payload)
                self._whole = self._made({"payload": {} if self._action.payload is None else self._action.payload})
            return self._whole
        if self._bare is None:
            self._bare = self._made({})
        return self._bare

    def _made(self, more: Mapping[str, object]) -> cel.Context:
        action, subject = self._action, self._subject
        fields: dict[str, object] = {
            "verb": action.verb,
            "capability": action.capability,
            "destinations": [destination.identity for destination in action.destinations],
            "units": action.units,
            **more,
        }
        if action.amount is not None:
            fields["amount"] = {"nano": _nano(action.amount), "currency": action.amount.currency}
        about = {
            "name": subject.agent,
            "team": subject.team,
            "tags": sorted(subject.tags),
            "environment": subject.environment,
        }
        return cel.Context(variables={"action": fields, "agent": about, "now": self._now.astimezone(UTC)})


def _nano(amount: Money) -> int:
    nano = int(amount.value.scaleb(9))
    if nano > _MOST_INTEGER:
        raise ConditionFailed("AmountTooLarge")
    return nano


def _require_small(payload: object) -> None:
    values, characters, stack = 0, 0, [payload]
    while stack:
        value = stack.pop()
        values += 1
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, Mapping):
            characters += sum(map(len, value))
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        if values + len(stack) > MAX_VALUES or characters > MAX_CHARACTERS:
            raise ConditionFailed("PayloadTooLarge")


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression, compiled.

    Attributes:
        text: as written; two conditions are equal when their texts are.
        reading: what of its variables it uses.
    """

    text: str
    reading: Reading = field(compare=False, repr=False)
    program: cel.Program = field(compare=False, repr=False)

    def holds(self, facts: Facts) -> bool:
        """Say whether it holds.

        Raises:
            ConditionFailed: it has no answer, or one that is neither true nor false.
        """
        context = facts.context(payload=self.reading.payload)
        try:
            answer = self.program.execute(context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the library is no Exception
            raise ConditionFailed(type(error).__name__) from None
        if answer is not True and answer is not False:
            raise ConditionFailed("NotABool")
        return answer


def read_condition(text: str) -> Condition:
    """Check and compile an expression.

    Raises:
        ExpressionInvalid: with one sentence.
    """
    reading = read_expression(text)
    try:
        program = cel.compile(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        said = next((line for line in str(error).splitlines() if line.strip()), "not an expression")
        raise ExpressionInvalid(said.partition("ERROR: <input>:")[2] or said) from error
    return Condition(text, reading, program)
