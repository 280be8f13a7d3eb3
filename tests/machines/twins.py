"""The naive versions, made of the product's own parts: each forgets one thing, and the machine must find it."""

from __future__ import annotations

from typing import ClassVar

from django.db import transaction

from approvals.models import Vote
from approvals.operations import redeem_grant
from approvals.operations.opening import current_revision
from approvals.refusals import PolicyChanged
from tests.machines.hands import Hands


class _Ignores(Hands):
    """Redeems as the product does, but for one obstacle that it does not look at."""

    obstacle: ClassVar[str]

    def redeem(self, key: str, word: str, *, digest: str) -> None:
        try:
            with transaction.atomic():
                super().redeem(key, word, digest=digest)
        except PolicyChanged as refusal:
            if self.obstacle not in refusal.detail:
                super().redeem(key, word, digest=digest)
            redeem_grant(grant=self.grant(key), key=word, by=self.actor(key), now=self.now, details={})


class SkipsTheQuorum(_Ignores):
    """ "It was approved, was it not?"."""

    obstacle = "the quorum no longer holds"


class ForgetsTheEpoch(_Ignores):
    """ "It is the same agent as before its transfer"."""

    obstacle = "the agent was transferred"


class KeepsVotesOverAnEdit(Hands):
    """ "They had said yes already, and the change is small"."""

    def edit(self, key: str, who: str, word: str, *, fresh: bool) -> None:
        before = self.request(key).revision
        super().edit(key, who, word, fresh=fresh)
        request = self.request(key)
        digest = current_revision(request).digest
        Vote.objects.filter(request=request, revision=before).update(revision=request.revision, digest=digest)
