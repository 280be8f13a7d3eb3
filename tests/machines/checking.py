"""One step on the product and on the model, and what must hold after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine

from approvals.models import Vote
from costs.verification import verify_budgets
from policies.models import Admission
from tests.machines.books import (
    USED,
    Books,
    Edge,
    Trail,
    born,
    edges_between,
    edges_in,
    money_between,
    read_books,
)
from tests.machines.hands import Hands, Stage, code_of
from tests.machines.model import Model
from tests.machines.things import EDGES, REVIEWERS, Deed

# Whoever votes has opened the bytes before: that is no part of what the vote itself does or refuses.
OPENING = "payload.read"
# What a refusal may leave in the trail beside the states that it changed.
BESIDE = frozenset({"security.payload_mismatch", "grant.extended", "approval.requested", "budget.released"})


class Checked(RuleBasedStateMachine):
    """One example: a transaction that is rolled back at its end.

    Args:
        stage: what every example starts from.
        hands: the product's operations, or a naive twin's.
        edges: counts what was gone along, over all examples.
    """

    def __init__(self, stage: Stage, hands: type[Hands], edges: Counter[Edge]) -> None:
        super().__init__()
        self.life = transaction.atomic()
        self.life.__enter__()
        self.hands = hands(stage)
        self.model = Model(self.hands.now)
        self.edges = edges
        self.digests: dict[str, list[str]] = {}
        self.numbers: Counter[str] = Counter()
        self.books, self.trail = read_books(), Trail()
        self.sound = True

    def step(self, call: Callable[[], str | None], expected: str, *, fate: str = "", writes: bool = True) -> None:
        """Do a call of the product, which must be answered as the model was."""
        self.sound = False
        if fate == "lost before the commit":
            known = dict(self.hands.actions)
            with transaction.atomic():
                code_of(call)
                transaction.set_rollback(True)
            self.hands.actions = known
            assert read_books() == self.books
        said = code_of(call)
        assert said == expected, f"answered {said!r} and not {expected!r}"
        refused = expected not in {"", "allow", "deny", "throttle", "review"}
        self.compare(refused=refused, writes=writes)
        if fate == "lost after the commit" and not refused:
            assert code_of(call) == said
            assert read_books() == self.books
            assert not self.trail.fresh(), "a repeat left something in the trail"
        self.sound = True

    def compare(self, *, refused: bool, writes: bool) -> None:
        """Hold the database against the model, and the trail against the database."""
        new, entries = read_books(), self.trail.fresh()
        moved, spent = edges_between(self.books, new), money_between(self.books, new)
        gone = Counter(dict.fromkeys(EDGES, 0))
        gone.update(edge for (_, edge), count in moved.items() for _ in range(count))
        gone.update(spent)
        assert gone.keys() == EDGES, f"an edge that no table has: {gone.keys() - EDGES}"
        self.edges.update(gone)
        self.check_trail(new, entries, moved, spent, refused=refused, writes=writes)
        assert new.reserved[0] == new.reserved[1], "what periods hold is not what is reserved"
        assert max(Counter(of for of, state in new.grants.values() if state in USED).values(), default=0) <= 1
        assert max(self.trail.redeemed.values(), default=0) <= 1
        for key, deed in self.model.deeds.items():
            requests = [(str(r.approval), r.revision) for r in deed.rounds if r.approval]
            grants = [str(r.grant) for r in deed.rounds if r.grant]
            money = str(deed.money) if deed.money else None
            found = new.states(self.hands.actions.get(key))
            assert found == (requests, grants, money), f"{key} is {found} and not {(requests, grants, money)}"
        self.books = new

    def check_trail(
        self, new: Books, entries: list[dict[str, Any]], moved: Counter[Any], spent: Counter[Edge], *,
        refused: bool, writes: bool,
    ) -> None:  # fmt: skip
        kinds = Counter(row["kind"] for row in entries if row["kind"] != OPENING)
        assert edges_in(entries) == moved, "the trail tells of other edges than those gone along"
        owed = born(self.books, new)
        assert {kind: kinds[kind] for kind in owed} == owed
        if any(to == "released" for _, _, to in spent):
            assert kinds["budget.released"] or kinds["budget.reservations_expired"]
        if any(to == "settled" for _, _, to in spent):
            assert kinds["usage.recorded"]
        if refused:
            told = {f"{machine}.{to}" for _, (machine, _, to) in moved}
            assert kinds.keys() <= BESIDE | told, f"a refusal that wrote {kinds.keys() - BESIDE - told}"
        else:
            assert kinds or not writes, "a change without an entry"

    def authorised(self, key: str, deed: Deed, digest: str) -> None:
        """What must hold where leave to execute was just given, whatever the model thinks: asked of the rows."""
        model, this = self.model, deed.granted
        assert this is not None
        assert not model.stopped
        assert model.policy != "forbid"
        assert this.epoch == model.epoch
        assert digest == this.digest
        if not deed.handed:
            request = self.hands.request(key)
            votes = Vote.objects.filter(request=request, digest=digest, verdict="approve").select_related("voter")
            names = {vote.voter.username for vote in votes if vote.voter.is_active}
            mine = {self.hands.who(name).username for name in REVIEWERS if model.may_vote(name, this.author)}
            assert len(names & mine) >= model.quorum, "executed without a quorum on exactly these bytes"

    def count_limits(self) -> None:
        """The limits hold one admission of each thing that was leave to act, and nothing else."""
        mails = sum(not deed.handed and deed.money is not None for deed in self.model.deeds.values())
        assert Admission.objects.count() == mails == len(self.model.mails)

    def teardown(self) -> None:
        try:
            # What broke in a step is told, and not what follows from it.
            if self.sound:
                found = verify_budgets()
                assert found.exact, found.differences
                self.count_limits()
        finally:
            transaction.set_rollback(True)
            self.life.__exit__(None, None, None)
