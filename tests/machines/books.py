"""What the database and the trail say after a step, and what changed since the one before."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest, Grant
from audit.models import Entry
from costs.models import BudgetPeriod, Reservation
from policies.models import Decision

USED = frozenset({"redeemed", "succeeded", "failed", "outcome_unknown"})
Edge = tuple[str, str, str]


@dataclass(frozen=True)
class Books:
    """Every row that the machine is about.

    Attributes:
        requests: (decision, state, revision) by id, the oldest first.
        grants: (decision, state) by id, the oldest first.
        money: state by decision; the machine has one budget.
        decisions: ids.
        reserved: nano-USD that periods hold, and nano-USD of reservations held: the same, or something leaks.
    """

    requests: dict[UUID, tuple[UUID, str, int]]
    grants: dict[UUID, tuple[UUID, str]]
    money: dict[UUID, str]
    decisions: frozenset[UUID]
    reserved: tuple[int, int]

    def states(self, decision: UUID | None) -> tuple[list[tuple[str, int]], list[str], str | None]:
        """Return a decision's requests and grants in their order, and its money."""
        requests = [(state, number) for of, state, number in self.requests.values() if of == decision]
        grants = [state for of, state in self.grants.values() if of == decision]
        return requests, grants, self.money.get(decision) if decision else None


def read_books() -> Books:
    """Read them all."""
    requests = ApprovalRequest.objects.order_by("id").values_list("id", "decision_id", "state", "revision")
    grants = Grant.objects.order_by("id").values_list("id", "decision_id", "state")
    money = list(Reservation.objects.values_list("decision_id", "state", "amount_nanousd"))
    return Books(
        {pk: (of, state, number) for pk, of, state, number in requests},
        {pk: (of, state) for pk, of, state in grants},
        {of: state for of, state, _ in money},
        frozenset(Decision.objects.values_list("id", flat=True)),
        (
            sum(BudgetPeriod.objects.values_list("reserved_nanousd", flat=True)),
            sum(amount for _, state, amount in money if state == "held"),
        ),
    )


@dataclass
class Trail:
    """Reads what is new in the trail.

    Attributes:
        seen: ids of entries that were read before.
        redeemed: redemptions by grant.
    """

    seen: set[UUID] = field(default_factory=set)
    redeemed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.first = Entry.objects.order_by("-id").values_list("id", flat=True)[0]
        self.seen = {self.first}

    def fresh(self) -> list[dict[str, Any]]:
        """Return the entries since the last reading."""
        rows = Entry.objects.filter(id__gte=self.first).values("id", "kind", "object_id", "details")
        found = [row for row in rows if row["id"] not in self.seen]
        self.seen |= {row["id"] for row in found}
        self.redeemed.update(row["object_id"] for row in found if row["kind"] == "grant.redeemed")
        return found


def edges_in(trail: list[dict[str, Any]]) -> Counter[tuple[str, Edge]]:
    """Return the edges of requests and grants that the trail tells of, by object."""
    found: Counter[tuple[str, Edge]] = Counter()
    for row in trail:
        machine = row["kind"].partition(".")[0]
        details = json.loads(row["details"])
        if machine in {"approval", "grant"} and {"from", "to"} <= details.keys():
            found[row["object_id"], (machine, details["from"], details["to"])] += 1
    return found


def edges_between(old: Books, new: Books) -> Counter[tuple[str, Edge]]:
    """Return the edges that rows went along, by object."""
    found: Counter[tuple[str, Edge]] = Counter()
    for pk, (_, before, _number) in old.requests.items():
        if new.requests[pk][1] != before:
            found[str(pk), ("approval", before, new.requests[pk][1])] += 1
    for pk, (_, before) in old.grants.items():
        if new.grants[pk][1] != before:
            found[str(pk), ("grant", before, new.grants[pk][1])] += 1
    return found


def money_between(old: Books, new: Books) -> Counter[Edge]:
    """Return the edges that reservations went along."""
    moved = ((before, new.money[of]) for of, before in old.money.items())
    return Counter(("reservation", before, after) for before, after in moved if before != after)


def born(old: Books, new: Books) -> Counter[str]:
    """Return the entries that new rows and new revisions owe the trail, by kind."""
    grants = [new.grants[pk] for pk in new.grants.keys() - old.grants.keys()]
    edits = sum(new.requests[pk][2] != number for pk, (_, _, number) in old.requests.items())
    return Counter(
        {
            "action.decided": len(new.decisions - old.decisions),
            "approval.requested": len(new.requests.keys() - old.requests.keys()),
            "approval.edited": edits,
            "grant.issued": len(grants),
        }
    )
