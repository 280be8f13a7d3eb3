"""Which queues take an action by themselves (pure).

A queue's ``matches`` holds selectors as a policy's rules do: ``verb``, ``destination``,
``data_class``, ``capability``, ``amount_over``; beside them ``risk``, ``agent`` and ``team``. All
that are given must hold, of a list any one. Where a rule leaves the choice to the queues
(`policies.routes`), every queue that takes the action must approve; where none does, the rule's
fallback; where it names none, nobody could ever decide, and the action is denied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from approvals.states import Tier
from policies.facts import Action
from policies.routes import is_routed, named_queue
from policies.selectors import SelectorInvalid, Selectors, is_over, parse_destination_pattern, parse_verb_pattern
from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import CAPABILITIES
from registry.documents import Problems, Section

KEYS: Final = ("verb", "destination", "data_class", "capability", "amount_over", "risk", "agent", "team")
_Pattern = TypeVar("_Pattern")


@dataclass(frozen=True, slots=True)
class Matches:
    """What a queue takes.

    Attributes:
        selectors: as in a rule.
        risks: tiers, or empty for every one.
        agents, teams: slugs, or empty for every one.
    """

    selectors: Selectors
    risks: frozenset[str]
    agents: frozenset[str]
    teams: frozenset[str]

    def take(self, case: Case) -> bool:
        """Say whether an action comes here."""
        action, wanted = case.action, self.selectors
        return (
            (not self.risks or case.risk in self.risks)
            and (not self.agents or case.agent in self.agents)
            and (not self.teams or case.team in self.teams)
            and (not wanted.verbs or any(pattern.matches(action.verb) for pattern in wanted.verbs))
            and (not wanted.capabilities or action.capability in wanted.capabilities)
            and (not wanted.data_classes or not wanted.data_classes.isdisjoint(action.data_classes))
            and (wanted.amount_over is None or is_over(wanted.amount_over, action.amount))
            and (not wanted.destinations or _anywhere(wanted, action))
        )


@dataclass(frozen=True, slots=True)
class Case:
    """An action that people are to decide.

    Attributes:
        action: after extraction.
        agent, team: slugs of who asks.
        risk: of `approvals.states.Tier`.
    """

    action: Action
    agent: str
    team: str
    risk: str


def parse_matches(raw: object, *, at: str = "") -> Matches | None:
    """Read a queue's ``matches``; None for an empty one, which takes nothing by itself.

    Raises:
        DocumentInvalid: with every defect and its pointer, below `at`.
    """
    problems = Problems()
    section = Section(problems, at, raw)
    found = Matches(
        Selectors(
            verbs=_patterns(section, "verb", parse_verb_pattern),
            destinations=_patterns(section, "destination", parse_destination_pattern),
            data_classes=frozenset(section.slugs("data_class")),
            capabilities=_words(section, "capability", CAPABILITIES),
            amount_over=_amount_over(section),
        ),
        _words(section, "risk", Tier.values),
        frozenset(section.slugs("agent")),
        frozenset(section.slugs("team")),
    )
    section.close()
    problems.raise_if_any()
    return found if raw else None


def normal(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked ``matches`` as they are kept: every selector but the amount a sorted list."""
    return {
        key: raw[key] if key == "amount_over" else sorted([raw[key]] if isinstance(raw[key], str) else raw[key])
        for key in KEYS
        if key in raw
    }


def route(wanted: Sequence[str], queues: Mapping[str, Matches], case: Case) -> tuple[str, ...] | None:
    """Return the queues that must approve, sorted; None where a rule would leave it to nobody.

    Args:
        wanted: as rules say it, see `policies.routes`.
        queues: what each queue takes, of those that take anything by themselves.
        case: the action.
    """
    found: set[str] = set()
    for each in wanted:
        if not is_routed(each):
            found.add(each)
            continue
        taking = {slug for slug, matches in queues.items() if matches.take(case)} or {named_queue(each)} - {""}
        if not taking:
            return None
        found |= taking
    return tuple(sorted(found))


def _anywhere(wanted: Selectors, action: Action) -> bool:
    """Whether any of the action's destinations is one of the wanted: people look at the whole of it then."""
    return any(pattern.matches(destination) for pattern in wanted.destinations for destination in action.destinations)


def _patterns(section: Section, key: str, read: Callable[[str], _Pattern]) -> tuple[_Pattern, ...]:
    found = []
    for where, text in section.texts(key):
        try:
            found.append(read(text))
        except SelectorInvalid as error:
            section.problems.add(where, "invalid_pattern", str(error))
    return tuple(found)


def _words(section: Section, key: str, known: Sequence[str]) -> frozenset[str]:
    found = section.texts(key)
    for where, text in found:
        if text not in known:
            section.problems.add(where, "unknown_value", f"“{text}” is not one of {', '.join(known)}.")
    return frozenset(text for _, text in found)


def _amount_over(section: Section) -> Money | None:
    raw = section.take("amount_over")
    if not section.has("amount_over"):
        return None
    try:
        return parse_money(raw)
    except AmountInvalid as error:
        section.problems.add(section.at("amount_over") + error.pointer, "invalid_amount", error.detail)
        return None
