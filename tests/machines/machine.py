"""The state machine: random steps on the product and on the model, which must agree after each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from approvals.operations.opening import current_revision
from approvals.states import GrantState
from tests.machines.aims import ends, granted, reserved, silent, some, under_way, waits
from tests.machines.checking import Checked
from tests.machines.things import BYSTANDERS, REVIEWERS, SILENCE, Deed

STRAY = 3
NUMBER = st.sampled_from([0, 0, 1, 1, 2, STRAY])
# Most of the time nothing happens to the answer; else it is lost and the same words are sent again.
FATE = st.sampled_from(["", "", "", "lost before the commit", "lost after the commit"])
MOSTLY = st.sampled_from([True, True, True, True, False])
PEOPLE = st.sampled_from(sorted(REVIEWERS | BYSTANDERS))
SECONDS = st.sampled_from([1, 1, 30, 30, 300, 300, 1200, 3600, 90_000])
WAYS = [
    "request rejected", "request cancelled", "request expires", "grant expires", "grant revoked",
    *("used, success",) * 3, *("failure", "silence, success", "silence, failure") * 2,
]  # fmt: skip
NORMAL: dict[str, Any] = {
    "paused": False, "killed": False, "revoked": False, "poor": False, "policy": "base", "quorum": 2,
    "inactive": False, "left": False,
}  # fmt: skip
FLIPS = [("policy", "forbid"), ("policy", "legal"), ("quorum", 1), ("quorum", 3), ("epoch", 0)]
FLIPS += [(name, True) for name, value in NORMAL.items() if value is False]


class Machine(Checked):
    """The rules, and which steps they make."""

    heals_in = 0

    def name(self, word: str) -> str:
        self.numbers[word] += 1
        return f"{word}-{self.numbers[word]}"

    def pick(self, number: int, wanted: Callable[[Deed], bool]) -> tuple[str, Deed]:
        """Return one of the youngest deeds: most of the time one that a step is for, else any that people decide."""
        asked = wanted is waits
        deeds = {key: deed for key, deed in self.model.deeds.items() if not (asked and deed.handed)}
        keys = [key for key, deed in deeds.items() if number == STRAY or wanted(deed)]
        key = keys[-1 - number % len(keys)]
        return key, deeds[key]

    @initialize()
    def begin(self) -> None:
        self.ask("mail", "")
        self.ask("form", "")

    @rule(word=st.sampled_from(["mail", "form", "again"]), fate=FATE)
    def ask(self, word: str, fate: str) -> None:
        again = word == "again" and bool(self.model.asked)
        self._ask(next(reversed(self.model.asked)) if again else self.name(word.replace("again", "mail")), fate)

    def _ask(self, key: str, fate: str) -> None:
        known = key in self.model.asked
        expected = self.model.ask(key, handed=key.startswith("form"))
        self.step(lambda: self.hands.ask(key), expected, fate=fate, writes=not known)
        if expected in {"allow", "review"} and not known:
            digest = self.hands.grant(key).digest if expected == "allow" else self._held(key)
            self.model.deeds[key].rounds[-1].digest = digest
            self.digests[key] = [digest]

    def _held(self, key: str) -> str:
        return current_revision(self.hands.request(key)).digest

    @precondition(some(waits))
    @rule(
        number=NUMBER, who=PEOPLE, yes=st.booleans(), fresh=MOSTLY, same=MOSTLY, lost=st.booleans(),
    )  # fmt: skip
    def vote(self, number: int, who: str, yes: bool, fresh: bool, same: bool, lost: bool) -> None:
        verdict = "approve" if yes else "reject"
        self._vote(*self.pick(number, waits), who, verdict, fresh=fresh, same=same, lost=lost)

    def _vote(
        self, key: str, deed: Deed, who: str, verdict: str, *, fresh: bool = True, same: bool = True, lost: bool = False
    ) -> None:
        expected = self.model.vote(deed, who, verdict, fresh=fresh, same=same)
        self.step(
            lambda: self.hands.vote(key, who, verdict, fresh=fresh, same=same), expected,
            fate="lost before the commit" if lost else "",
        )  # fmt: skip

    @precondition(some(waits))
    @rule(number=NUMBER, people=st.permutations(sorted(REVIEWERS)))
    def approve(self, number: int, people: list[str]) -> None:
        """Have people approve, one after the other, until it is decided."""
        self._approve(*self.pick(number, waits), people)

    def _approve(self, key: str, deed: Deed, people: Sequence[str] = ("owner", "reviewer", "second")) -> None:
        for who in people:
            if waits(deed):
                self._vote(key, deed, who, "approve")

    @precondition(some(waits))
    @rule(number=NUMBER, who=PEOPLE, fresh=MOSTLY)
    def edit(self, number: int, who: str, fresh: bool) -> None:
        self._edit(*self.pick(number, waits), who, fresh=fresh)

    def _edit(self, key: str, deed: Deed, who: str, *, fresh: bool = True) -> None:
        word = self.name("words")
        expected = self.model.edit(deed, who, "", fresh=fresh)
        self.step(lambda: self.hands.edit(key, who, word, fresh=fresh), expected)
        if not expected:
            deed.rounds[-1].digest = self._held(key)
            self.digests[key].append(deed.rounds[-1].digest)

    @precondition(some(granted))
    @rule(number=NUMBER, word=st.sampled_from(["a", "a", "a", "b"]), same=MOSTLY, fate=FATE)
    def redeem(self, number: int, word: str, same: bool, fate: str) -> None:
        self._redeem(*self.pick(number, granted), word, same=same, fate=fate)

    def _redeem(self, key: str, deed: Deed, word: str, *, same: bool, fate: str = "") -> None:
        this = deed.granted
        # Not the bytes granted: those of another revision, where there was one.
        others = [each for each in self.digests[key] if this is None or each != this.digest] or ["0" * 64]
        digest = this.digest if this and same else others[-1]
        repeat = this is not None and bool(this.redeem_key)
        repeat = this is not None and bool(this.redeem_key)
        expected = self.model.redeem(deed, word, same=same and this is not None)
        self.step(lambda: self.hands.redeem(key, word, digest=digest), expected, fate=fate, writes=not repeat)
        if not expected and not repeat:
            self.authorised(key, deed, digest)

    @precondition(some(ends))
    @rule(number=NUMBER, fate=st.sampled_from(["", "lost before the commit"]))
    def cancel(self, number: int, fate: str) -> None:
        self._cancel(*self.pick(number, ends), fate)

    def _cancel(self, key: str, deed: Deed, fate: str = "") -> None:
        self.step(lambda: self.hands.cancel(key), self.model.cancel(deed), fate=fate)

    @precondition(some(waits))
    @rule(number=NUMBER)
    def dismiss(self, number: int) -> None:
        key, deed = self.pick(number, waits)
        self.step(lambda: self.hands.dismiss(key), self.model.dismiss(deed))

    @precondition(some(granted))
    @rule(number=NUMBER)
    def revoke(self, number: int) -> None:
        self._revoke(*self.pick(number, granted))

    def _revoke(self, key: str, deed: Deed) -> None:
        if deed.granted:
            self.step(lambda: self.hands.revoke(key), self.model.revoke(deed.granted))

    @precondition(some(under_way))
    @rule(number=NUMBER, succeeded=st.booleans(), fate=FATE)
    def report(self, number: int, succeeded: bool, fate: str) -> None:
        self._report(*self.pick(number, under_way), succeeded=succeeded, fate=fate)

    def _report(self, key: str, deed: Deed, *, succeeded: bool, fate: str = "") -> None:
        to = GrantState.SUCCEEDED if succeeded else GrantState.FAILED
        known = deed.granted is not None and deed.granted.grant == to
        expected = self.model.report(deed, to)
        self.step(lambda: self.hands.report(key, succeeded=succeeded), expected, fate=fate, writes=not known)

    @precondition(some(silent))
    @rule(number=NUMBER, succeeded=st.booleans())
    def settle(self, number: int, succeeded: bool) -> None:
        self._settle(*self.pick(number, silent), succeeded=succeeded)

    def _settle(self, key: str, deed: Deed, *, succeeded: bool) -> None:
        if deed.granted:
            to = GrantState.SUCCEEDED if succeeded else GrantState.FAILED
            self.step(lambda: self.hands.settle(key, succeeded=succeeded), self.model.settle(deed.granted, to))

    @precondition(some(reserved))
    @rule(number=NUMBER)
    def use(self, number: int) -> None:
        self._use(*self.pick(number, reserved))

    def _use(self, key: str, deed: Deed) -> None:
        event = self.name("event")
        self.step(lambda: self.hands.use(key, event), self.model.use(deed))

    @rule(seed=st.integers(0, 2**32))
    def live(self, seed: int) -> None:
        """Take new actions all the way, each to another end; what is flipped meanwhile may stop them anywhere.

        The ends are drawn by a seed: Hypothesis likes its own choices alike, and every edge is to be gone along.
        """
        chance = random.Random(seed)
        for way in chance.sample(WAYS, 4):
            handed = chance.random() < 0.5
            key = self.name("form" if handed and not way.startswith("request") else "mail")
            self._ask(key, "")
            if deed := self.model.deeds.get(key):
                self._go(key, deed, way, chance)

    def _go(self, key: str, deed: Deed, way: str, chance: random.Random) -> None:
        if waits(deed) and chance.random() < 0.3:
            # Votes before an edit are void, and whoever edited does not approve.
            self._vote(key, deed, "second", "approve")
            self._edit(key, deed, "reviewer")
        if way == "request rejected":
            self._vote(key, deed, "owner", "reject")
        elif way == "request cancelled":
            self._cancel(key, deed)
        elif way == "request expires":
            self._wait_until(deed.rounds[-1].ends, sweeps=True)
        else:
            self._approve(key, deed)
            if way == "grant expires":
                self._wait_until(deed.rounds[-1].grant_ends or self.model.now, sweeps=True)
            elif way == "grant revoked":
                self._revoke(key, deed)
            else:
                if chance.random() < 0.4:
                    self._flip(*chance.choice(FLIPS))
                self._redeem(key, deed, "a", same=True)
                self._heal()
                self._end(key, deed, way)

    def _end(self, key: str, deed: Deed, way: str) -> None:
        succeeded = way.endswith("success")
        if way.startswith("used"):
            self._use(key, deed)
        if way.startswith("silence"):
            self._wait_until(self.model.now + SILENCE, sweeps=True)
            self._settle(key, deed, succeeded=succeeded)
        else:
            self._report(key, deed, succeeded=succeeded)
            self._use(key, deed)

    @rule(seconds=SECONDS, sweeps=MOSTLY)
    def wait(self, seconds: int, sweeps: bool) -> None:
        self._wait_until(self.model.now + timedelta(seconds=seconds), sweeps=sweeps)

    @precondition(some(ends))
    @rule(number=NUMBER, sweeps=st.booleans())
    def wait_for_an_end(self, number: int, sweeps: bool) -> None:
        """Wait until exactly the moment at which a request or grant ends."""
        _, deed = self.pick(number, ends)
        last = deed.rounds[-1]
        self._wait_until(max(self.model.now, last.grant_ends or last.ends), sweeps=sweeps)

    def _wait_until(self, now: datetime, *, sweeps: bool) -> None:
        self.model.now = self.hands.now = now
        if sweeps:
            self.model.sweep()
            self.step(self.hands.sweep, "", writes=False)

    @rule(flip=st.sampled_from(FLIPS), steps=st.integers(1, 5))
    def flip(self, flip: tuple[str, Any], steps: int) -> None:
        """Change something for some steps."""
        self._flip(*flip)
        self.heals_in = steps

    @invariant()
    def heal(self) -> None:
        self.heals_in -= 1
        if self.heals_in == 0:
            self._heal()

    def _heal(self) -> None:
        for name, value in NORMAL.items():
            self._flip(name, value)

    def _flip(self, name: str, value: Any) -> None:
        if name == "epoch":
            value = self.model.epoch + 1
        if getattr(self.model, name) != value:
            setattr(self.model, name, value)
            self.step(lambda: getattr(self.hands, name)(value), "")
