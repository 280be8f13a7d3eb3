"""Whether enough people have said yes, now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from approvals.models import ApprovalRequest, Queue, Vote
from approvals.permissions import obstacle_to_vote
from approvals.states import Verdict


@dataclass(frozen=True, slots=True)
class Count:
    """How one queue stands.

    Attributes:
        queue: its slug.
        have: distinct, active, permitted people who approve the current revision.
        need: its quorum.
    """

    queue: str
    have: int
    need: int

    @property
    def complete(self) -> bool:
        """Whether the quorum is reached."""
        return self.have >= self.need


def count(request: ApprovalRequest, *, queues: Sequence[Queue], author_id: int | None) -> list[Count]:
    """Count approvals of the current revision, queue by queue, with the rights that people have now.

    Used when a vote completes a quorum and again at redemption: who left a team in between no
    longer counts.

    Args:
        request: the held action.
        queues: its queues.
        author_id: author of the current revision; None for the agent.
    """
    votes = Vote.objects.filter(request=request, revision=request.revision, verdict=Verdict.APPROVE).select_related(
        "voter"
    )
    yes: Iterable[Vote] = list(votes)
    return [
        Count(
            queue.slug,
            sum(not obstacle_to_vote(request, vote.voter, author_id=author_id, queues=[queue]) for vote in yes),
            queue.quorum,
        )
        for queue in queues
    ]
