"""What the model is about: deeds, the rounds in which people are asked about them, and every legal edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from approvals.states import ApprovalState as A
from approvals.states import GrantState as G
from costs.states import ReservationState as R

TTL = timedelta(hours=2)
GRANT_LIFE = timedelta(minutes=15)
HANDED_OVER_LIFE = timedelta(seconds=60)
SILENCE = HOLD = timedelta(hours=24)
WINDOW, MOST_MAILS = timedelta(hours=1), 3
REVIEWERS = frozenset({"owner", "reviewer", "second"})
BYSTANDERS = frozenset({"operator", "stranger"})  # who issued the key, and who is of another team

# (machine, from, to): every legal edge.
EDGES = frozenset(
    {
        *(("approval", A.PENDING, to) for to in (A.APPROVED, A.REJECTED, A.EXPIRED, A.CANCELLED)),
        *(("grant", G.ISSUED, to) for to in (G.REDEEMED, G.REVOKED, G.EXPIRED)),
        *(("grant", G.REDEEMED, to) for to in (G.SUCCEEDED, G.FAILED, G.OUTCOME_UNKNOWN)),
        *(("grant", G.OUTCOME_UNKNOWN, to) for to in (G.SUCCEEDED, G.FAILED)),
        *(("reservation", R.HELD, to) for to in (R.SETTLED, R.RELEASED)),
        ("reservation", R.RELEASED, R.SETTLED),
    }
)


@dataclass
class Round:
    """One time that people were asked, and the grant that came out of it; a hand-over has only the grant."""

    epoch: int
    digest: str
    ends: datetime
    queues: set[str]
    approval: A | None = A.PENDING
    revision: int = 1
    author: str = ""
    votes: dict[str, str] = field(default_factory=dict)
    grant: G | None = None
    grant_ends: datetime | None = None
    redeem_key: str = ""
    redeemed_at: datetime | None = None


@dataclass
class Deed:
    """An action that was held or handed over."""

    handed: bool
    rounds: list[Round]
    money: R | None = None
    reserved_at: datetime | None = None

    @property
    def granted(self) -> Round | None:
        """The newest round with a grant."""
        return next((each for each in reversed(self.rounds) if each.grant), None)

    def release(self) -> None:
        self.money = R.RELEASED if self.money == R.HELD else self.money


@dataclass(kw_only=True)
class Standing:
    """What may be flipped: the agent's standing, the policy in force, and who may approve."""

    paused: bool = False
    killed: bool = False
    revoked: bool = False
    poor: bool = False
    policy: str = "base"
    quorum: int = 2
    inactive: bool = False  # the account of `second`
    left: bool = False  # `reviewer` is in the team no more
    epoch: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the agent may do nothing."""
        return self.paused or self.killed

    @property
    def queues(self) -> set[str]:
        """Who has to approve a mail."""
        return {"outreach", "legal"} if self.policy == "legal" else {"outreach"}

    def may_vote(self, who: str, author: str) -> bool:
        """Whether somebody's approval counts for bytes that `author` wrote."""
        absent = (who == "second" and self.inactive) or (who == "reviewer" and self.left)
        return who in REVIEWERS and not absent and who != author
