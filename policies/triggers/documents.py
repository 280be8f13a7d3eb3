"""Triggers as documents: from and to the form that ``apply`` reads, and as a sentence for people (pure).

``{count: denials|failures|spend, agent|team: SLUG, each_agent: true, more_than: 50 | more_than_usd: "5.00",
per: 1h, mode: off|shadow|warn|enforce, note: TEXT}``; without agent and team it is about everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from audit.canonical import digest
from policies.states import Measure, TriggerMode
from registry.amounts import AmountInvalid, parse_money
from registry.documents import Problems, Section

NANO: Final = 1_000_000_000
SHORTEST: Final = 60
LONGEST: Final = 7 * 86_400
LONGEST_NOTE: Final = 2_000
_DOMAIN: Final = "acp.trigger.v1"
_UNITS: Final = ((86_400, "d", "day"), (3_600, "h", "hour"), (60, "m", "minute"))
_DOES: Final[Mapping[str, str]] = {
    TriggerMode.OFF: "It is off: nothing is looked at.",
    TriggerMode.SHADOW: "It only records that it would have fired.",
    TriggerMode.WARN: "It says so in the trail, and to whoever follows it.",
    TriggerMode.ENFORCE: "{whom} paused at once; only people let go on.",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a trigger is.

    Attributes:
        count: of `policies.states.Measure`.
        agent: slug, or empty.
        team: slug, or empty.
        more_than: fires above it; nano-USD for spend.
        window_seconds: whole minutes.
    """

    count: str
    agent: str
    team: str
    each_agent: bool
    more_than: int
    window_seconds: int
    mode: str
    note: str

    @property
    def digest(self) -> str:
        """Names what was tried: everything but mode and note."""
        document = self.document
        return digest(_DOMAIN, {key: value for key, value in document.items() if key not in {"mode", "note"}})

    @property
    def full_digest(self) -> str:
        """Names all that it says, mode and note as well."""
        return digest(_DOMAIN, self.document)

    @property
    def document(self) -> dict[str, Any]:
        """The document in normal form."""
        found: dict[str, Any] = {"count": self.count}
        if self.agent:
            found["agent"] = self.agent
        if self.team:
            found["team"] = self.team
        if self.each_agent:
            found["each_agent"] = True
        if self.count == Measure.SPEND:
            found["more_than_usd"] = written_usd(self.more_than)
        else:
            found["more_than"] = self.more_than
        found |= {"per": _duration(self.window_seconds)[0], "mode": self.mode}
        if self.note:
            found["note"] = self.note
        return found

    @property
    def sentence(self) -> str:
        """The trigger in plain words."""
        return f"{self.condition} {_DOES[self.mode].format(whom=self._paused)}"

    @property
    def condition(self) -> str:
        """When it fires, in plain words."""
        if self.agent:
            whom = f"the agent {self.agent}"
        elif self.each_agent:
            whom = f"any one agent of the team {self.team}" if self.team else "any one agent"
        else:
            whom = f"the agents of the team {self.team} together" if self.team else "all agents together"
        what = {
            Measure.DENIALS: f"more than {self.more_than:,} denials of {whom}",
            Measure.FAILURES: f"more than {self.more_than:,} failures of {whom}",
            Measure.SPEND: f"more than {written_usd(self.more_than)} USD spent by {whom}",
        }[Measure(self.count)]
        return f"Fires at {what} within {_duration(self.window_seconds)[1]}."

    @property
    def _paused(self) -> str:
        if self.agent:
            return f"{self.agent} is"
        return "That agent is" if self.each_agent else f"Every agent of {self.team} is"


def read_trigger(raw: object, *, problems: Problems, pointer: str = "") -> Definition | None:
    """Read one trigger of a document.

    Args:
        raw: what stands under its slug.
        problems: where defects go; the caller ends the reading.
        pointer: where it stands.

    Returns:
        None where it has defects.
    """
    before = len(problems.found)
    section = Section(problems, pointer, raw)
    count = section.choice("count", Measure.values, required=True) or ""
    agent, team = section.text("agent") or "", section.text("team") or ""
    each = section.take("each_agent")
    if each is not None and not isinstance(each, bool):
        section.add("each_agent", "wrong_type", "Say true or false.")
    more_than = _threshold(section, count)
    window = section.duration("per", required=True) or SHORTEST
    mode = section.choice("mode", TriggerMode.values) or TriggerMode.SHADOW.value
    note = section.take("note")
    section.close()
    if agent and team:
        section.add("team", "wrong_value", "Name an agent or a team, not both.")
    if agent and each is True:
        section.add("each_agent", "wrong_value", "One agent is counted by itself as it is.")
    if not SHORTEST <= window <= LONGEST or window % 60:
        section.add("per", "out_of_range", "A window is whole minutes, from 1m to 7d.")
    if note is not None and (not isinstance(note, str) or len(note) > LONGEST_NOTE):
        section.add("note", "wrong_type", f"A note is text of at most {LONGEST_NOTE} characters.")
    if mode == TriggerMode.ENFORCE and not (agent or team or each is True):
        detail = "It pauses an agent or a team: name one, or count each agent by itself (each_agent: true)."
        section.add("mode", "wrong_value", detail)
    if len(problems.found) > before:
        return None
    return Definition(count, agent, team, each is True, more_than, window, mode, str(note or ""))


def _threshold(section: Section, count: str) -> int:
    if count != Measure.SPEND:
        return section.integer("more_than", required=True, least=0) or 0
    text = section.text("more_than_usd", required=True)
    if text is None:
        return 0
    try:
        money = parse_money({"value": text, "currency": "USD"})
    except AmountInvalid as error:
        section.add("more_than_usd", "amount", error.detail)
        return 0
    nano = int(money.value * NANO)
    if nano > NANO * 1_000_000_000:
        section.add("more_than_usd", "out_of_range", "At most 1000000000 USD are admitted.")
        return 0
    return nano


def written_usd(nano: int) -> str:
    """Write nano-USD as USD, exactly, with two decimal places or as many as it takes."""
    whole, rest = divmod(nano, NANO)
    return f"{Decimal(whole)}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def _duration(seconds: int) -> tuple[str, str]:
    """Write a window as the document does and as people say it."""
    for size, unit, word in _UNITS:
        if seconds % size == 0:
            number = seconds // size
            return f"{number}{unit}", f"one {word}" if number == 1 else f"{number} {word}s"
    raise ValueError(seconds)
