"""What approvals, grants and reservations promise, said once more and plainly: no product code but the enums.

Each method does what the operation of its name should do, and returns the code that it should be answered with: a
refusal's, the decision's effect for an ask, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from approvals.states import ApprovalState as A
from approvals.states import GrantState as G
from costs.states import ReservationState as R
from tests.machines import things
from tests.machines.things import Deed, Round, Standing


@dataclass
class Model(Standing):
    """The installation: one agent that asks, another that executes what it is handed."""

    now: datetime
    deeds: dict[str, Deed] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    mails: list[datetime] = field(default_factory=list)

    def approves(self, this: Round) -> bool:
        """Whether enough distinct people, who may, said yes to these bytes."""
        yes = [who for who, said in this.votes.items() if said == "approve" and self.may_vote(who, this.author)]
        return len(yes) >= self.quorum

    def full(self) -> list[datetime]:
        """The mails of the present window, where it holds no more."""
        inside = [at for at in self.mails if at > self.now - things.WINDOW]
        return inside if len(inside) >= things.MOST_MAILS else []

    def ask(self, key: str, *, handed: bool) -> str:
        if self.revoked:
            return "unauthenticated"
        if key not in self.asked:
            self.asked[key] = effect = self._effect(handed=handed)
            life = things.HANDED_OVER_LIFE if handed else things.TTL
            this = Round(self.epoch, "", self.now + life, set() if handed else self.queues)
            if effect == "review":
                self.deeds[key] = Deed(handed, [this])
            elif effect == "allow":
                this.approval, this.grant, this.grant_ends = None, G.ISSUED, this.ends
                self.deeds[key] = Deed(handed, [this], R.HELD, self.now)
        return self.asked[key]

    def _effect(self, *, handed: bool) -> str:
        if self.stopped or self.policy == "forbid" or (handed and self.poor):
            return "deny"
        return "allow" if handed else "throttle" if self.full() else "review"

    def _locked(self, this: Round, *, fresh: bool) -> str:
        if this.approval != A.PENDING:
            return "expired" if this.approval == A.EXPIRED else "already_decided"
        if self.now >= this.ends:
            return "expired"
        if this.epoch != self.epoch:
            return "already_decided"
        return "" if fresh else "precondition_failed"

    def vote(self, deed: Deed, who: str, verdict: str, *, fresh: bool, same: bool) -> str:
        this = deed.rounds[-1]
        if code := self._locked(this, fresh=fresh):
            return code
        if not self.may_vote(who, this.author):
            return "not_a_reviewer"
        if not same:
            return "payload_mismatch"
        this.votes[who] = verdict
        if verdict == "reject":
            this.approval = A.REJECTED
        elif self.approves(this):
            this.approval, this.grant, this.grant_ends = A.APPROVED, G.ISSUED, self.now + things.GRANT_LIFE
        return ""

    def edit(self, deed: Deed, who: str, digest: str, *, fresh: bool) -> str:
        this = deed.rounds[-1]
        if code := self._locked(this, fresh=fresh):
            return code
        if not self.may_vote(who, ""):
            return "not_a_reviewer"
        if self.stopped or self.policy == "forbid":
            return "policy_refuses_edit"
        this.revision, this.digest, this.author, this.votes = this.revision + 1, digest, who, {}
        this.queues |= self.queues
        return ""

    def redeem(self, deed: Deed, key: str, *, same: bool) -> str:
        if self.revoked and not deed.handed:
            return "unauthenticated"
        this = deed.granted
        if this is None:
            return "expired" if deed.rounds[-1].approval == A.EXPIRED else "not_granted"
        if not same:
            return "payload_mismatch"
        if this.redeem_key:
            if this.redeem_key != key:
                return "already_redeemed"
            return "not_granted" if this.epoch != self.epoch else "not_now" if self.stopped else ""
        assert this.grant_ends is not None
        if this.grant == G.REVOKED:
            return "not_granted"
        if this.grant == G.EXPIRED or self.now >= this.grant_ends:
            return "expired"
        if this.epoch != self.epoch:
            return self._void(deed, this)
        return "not_now" if self.stopped else self._judge(deed, this, key)

    def _judge(self, deed: Deed, this: Round, key: str) -> str:
        if self.policy == "forbid":
            return self._void(deed, this)
        if not deed.handed:
            if not self.queues <= this.queues:
                this.grant = G.REVOKED
                deed.rounds.append(
                    Round(self.epoch, this.digest, self.now + things.TTL, self.queues, author=this.author)
                )
                return "review_required"
            if not self.approves(this):
                return self._void(deed, this)
            if full := self.full():
                this.grant_ends = max(this.grant_ends or self.now, min(full) + things.WINDOW + things.GRANT_LIFE)
            if full or self.poor:
                return "not_now"
            self.mails.append(self.now)
            deed.money, deed.reserved_at = R.HELD, self.now
        this.grant, this.redeem_key, this.redeemed_at = G.REDEEMED, key, self.now
        return ""

    def _void(self, deed: Deed, this: Round) -> str:
        this.grant = G.REVOKED
        if deed.handed:
            deed.release()
        return "policy_changed"

    def cancel(self, deed: Deed) -> str:
        if self.revoked:
            return "unauthenticated"
        last, this = deed.rounds[-1], deed.granted
        if last.approval == A.PENDING:
            last.approval = A.CANCELLED
        elif this is not None and this.grant == G.ISSUED:
            self._void(deed, this)
        else:
            return "already_decided"
        return ""

    def dismiss(self, deed: Deed) -> str:
        if deed.rounds[-1].approval != A.PENDING:
            return "illegal_transition"
        deed.rounds[-1].approval = A.CANCELLED
        return ""

    def revoke(self, this: Round) -> str:
        if this.grant != G.ISSUED:
            return "illegal_transition"
        this.grant = G.REVOKED
        return ""

    def report(self, deed: Deed, to: G) -> str:
        if self.revoked and not deed.handed:
            return "unauthenticated"
        this = deed.granted
        if this is None or this.grant not in {G.REDEEMED, to}:
            return "outcome_conflict"
        if this.grant != to:
            this.grant = to
            deed.release()
        return ""

    def settle(self, this: Round, to: G) -> str:
        if this.grant not in {G.REDEEMED, G.OUTCOME_UNKNOWN}:
            return "illegal_transition"
        this.grant = to
        return ""

    def use(self, deed: Deed) -> str:
        if self.revoked:
            return "unauthenticated"
        deed.money = deed.money and R.SETTLED
        return ""

    def sweep(self) -> None:
        for deed in self.deeds.values():
            for this in deed.rounds:
                if this.approval == A.PENDING:
                    moved, over = this.epoch != self.epoch, this.ends <= self.now
                    this.approval = A.CANCELLED if moved else A.EXPIRED if over else A.PENDING
                if this.grant == G.ISSUED and this.grant_ends:
                    moved, over = this.epoch != self.epoch, this.grant_ends <= self.now
                    this.grant = G.REVOKED if moved else G.EXPIRED if over else G.ISSUED
                if this.grant == G.REDEEMED and this.redeemed_at and this.redeemed_at + things.SILENCE <= self.now:
                    this.grant = G.OUTCOME_UNKNOWN
            if deed.reserved_at and deed.reserved_at + things.HOLD <= self.now:
                deed.release()
