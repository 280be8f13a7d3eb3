"""What an agent has to do besides, when it acts on what a rule permitted: a small catalogue.

An obligation is text, ``name:value``. Obligations add up and never loosen: whoever is told to keep a
full record and to leave a class of data out of it leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.documents import SLUG, duration_seconds

MOST: Final = 16
# Name → what its value is, for people.
NAMES: Final = {
    "redact": "a data class, which is left out of every record that the agent keeps",
    "log": "full: the agent keeps a full record of what it did",
    "notify": "a team or a queue, which the agent tells what it did",
    "discard": "a duration, after which the agent has deleted what it got",
}


@dataclass(frozen=True, slots=True)
class Obligation:
    """One obligation of a rule.

    Attributes:
        name: of `NAMES`.
        value: see there.
    """

    name: str
    value: str


def parse_obligation(text: str) -> Obligation:
    """Read ``name:value``.

    Raises:
        ValueError: another name, or a value that its name does not take; the text says what is known.
    """
    name, _, value = text.partition(":")
    if name not in NAMES:
        message = f"Known obligations are {', '.join(f'{known}:…' for known in NAMES)}."
        raise ValueError(message)
    if not _fits(name, value):
        message = f"“{name}:” takes {NAMES[name]}."
        raise ValueError(message)
    return Obligation(name, value)


def _fits(name: str, value: str) -> bool:
    if name == "log":
        return value == "full"
    if name == "discard":
        try:
            return duration_seconds(value) > 0
        except ValueError:
            return False
    return SLUG.fullmatch(value) is not None
