"""Adding up what a replay finds (pure): counts, the first examples, agents, rules, queues, money.

The result is JSON of this form, money in nano-USD::

    {"judged": 9, "unchanged": 5, "carried": 1, "erased": 0,
     "newly_blocked": {"count": 3, "agents": [["job-applier", 3]], "rules": [["jobs", "drip", 3]],
                       "effects": {"allow→deny": 3}, "examples": [{"id", "at", "agent", "verb", "before", "now",
                       "before_because", "now_because"}],
                       "spend": {"recorded": 7, "with_record": 1, "estimated": 9, "with_estimate": 2, "unknown": 0}},
     "newly_allowed": …, "newly_held": …,
     "held_in": [["outreach", 3]], "no_longer_held": 0}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from policies.replaying.facts import Recorded
from policies.replaying.judging import Again
from policies.replaying.windows import Kept

KINDS: Final = ("newly_blocked", "newly_allowed", "newly_held")
MOST_EXAMPLES: Final = 10
MOST_NAMED: Final = 50
_LONGEST_TEXT: Final = 400


class Spent(msgspec.Struct):
    """Money of some actions, nano-USD.

    Attributes:
        recorded: what their model calls cost.
        with_record: how many actions that is.
        estimated: what is expected of those without a record: the agent's estimate, else the budget's reserve.
        with_estimate: how many actions that is.
        unknown: how many have neither.
    """

    recorded: int = 0
    with_record: int = 0
    estimated: int = 0
    with_estimate: int = 0
    unknown: int = 0

    def add(self, recorded: int | None, estimate: int | None) -> None:
        """Add one action."""
        if recorded is not None:
            self.recorded += recorded
            self.with_record += 1
        elif estimate is not None:
            self.estimated += estimate
            self.with_estimate += 1
        else:
            self.unknown += 1


class Change(msgspec.Struct):
    """What came out otherwise in one way."""

    count: int = 0
    agents: dict[str, int] = {}
    rules: dict[str, int] = {}
    effects: dict[str, int] = {}
    examples: list[dict[str, Any]] = []
    spend: Spent = msgspec.field(default_factory=Spent)

    def told(self) -> dict[str, Any]:
        """Return it as JSON; of many agents and rules the most frequent."""
        return {
            "count": self.count,
            "agents": _most(self.agents),
            "rules": [[*name.split("\n"), number] for name, number in _most(self.rules)],
            "effects": self.effects,
            "examples": self.examples,
            "spend": msgspec.structs.asdict(self.spend),
        }


class Sums(msgspec.Struct):
    """Everything that was added up so far."""

    judged: int = 0
    unchanged: int = 0
    carried: int = 0
    erased: int = 0
    newly_blocked: Change = msgspec.field(default_factory=Change)
    newly_allowed: Change = msgspec.field(default_factory=Change)
    newly_held: Change = msgspec.field(default_factory=Change)
    held_in: dict[str, int] = {}
    no_longer_held: int = 0

    def add(self, recorded: Recorded, again: Again, *, agent: str) -> bool:
        """Add one decision; say whether it came out otherwise."""
        if again.kind not in KINDS:
            if again.kind in {"carried", "erased"}:
                setattr(self, again.kind, getattr(self, again.kind) + 1)
            if again.kind != "erased":
                self.unchanged += 1
                self.judged += 1
            return False
        self.judged += 1
        change: Change = getattr(self, again.kind)
        change.count += 1
        _count(change.agents, agent)
        for policy, rule, code in {(reason.policy, reason.rule, reason.code) for reason in again.reasons}:
            _count(change.rules, f"{policy or ''}\n{rule or code}")
        _count(change.effects, f"{recorded.effect}→{again.effect}")
        if again.kind == "newly_held":
            for queue in again.queues:
                _count(self.held_in, queue)
        elif recorded.effect == "review":
            self.no_longer_held += 1
        if len(change.examples) < MOST_EXAMPLES:
            change.examples.append(_example(recorded, again, agent))
        return True

    def told(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "judged": self.judged,
            "unchanged": self.unchanged,
            "carried": self.carried,
            "erased": self.erased,
            **{kind: getattr(self, kind).told() for kind in KINDS},
            "held_in": _most(self.held_in),
            "no_longer_held": self.no_longer_held,
        }


class Memory(msgspec.Struct):
    """What one slice leaves to the next."""

    sums: Sums
    windows: list[Kept]
    last: int = 0


def pack(memory: Memory) -> bytes:
    """Return a memory as bytes."""
    return msgspec.msgpack.encode(memory)


def unpack(kept: bytes) -> Memory:
    """Return what `pack` packed; nothing gives a fresh one."""
    return msgspec.msgpack.decode(kept, type=Memory) if kept else Memory(Sums(), [])


def _example(recorded: Recorded, again: Again, agent: str) -> dict[str, Any]:
    return {
        "id": str(recorded.id),
        "at": recorded.at.isoformat(),
        "agent": agent,
        "verb": recorded.verb,
        "before": recorded.effect,
        "now": again.effect,
        "before_because": _said(each.text for each in recorded.reasons),
        "now_because": _said(each.text for each in again.reasons),
    }


def _said(texts: Iterable[str]) -> str:
    return " ".join(texts)[:_LONGEST_TEXT]


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _most(counts: Mapping[str, int]) -> list[list[Any]]:
    return [
        [name, number] for name, number in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_NAMED]
    ]
