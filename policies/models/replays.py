"""Replays: recorded decisions of a period judged again by another revision of the policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from policies import states
from policies.models.decisions import Revision
from policies.states import ReplayState
from registry.models import User
from registry.states import Role

if TYPE_CHECKING:
    from typing import Self

_WHOLE = 100


class ReplayQuerySet(models.QuerySet["Replay"]):
    """Readings of replays."""

    def visible_to(self, user: User) -> Self:
        """Keep a person's own, as each judges what its asker may see; all for admins, auditors."""
        if user.sees_everything:
            return self
        readers = user.is_active and user.role in {Role.OPERATOR, Role.OWNER}
        return self.filter(asked_by=user) if readers else self.none()

    def unfinished(self) -> Self:
        """Keep what waits or is under way, the oldest first."""
        return self.filter(state__in=(ReplayState.QUEUED, ReplayState.RUNNING)).order_by("id")

    def finished(self) -> Self:
        """Keep what came to its end."""
        return self.filter(state=ReplayState.FINISHED)

    def of_digest(self, digest: str) -> Self:
        """Keep those that judged by exactly this text."""
        return self.filter(digest=digest)


class Replay(models.Model):
    """One replay. It is worked off in slices; what one slice leaves, the next one goes on from."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, help_text="of the revision's document as it judges, hex")
    since = models.DateTimeField(help_text="UTC; the first moment")
    until = models.DateTimeField(help_text="UTC; the first moment after")
    state = models.CharField(max_length=16, choices=ReplayState.choices, default=ReplayState.QUEUED)
    detail = models.TextField(blank=True, help_text="why it failed")
    total = models.PositiveBigIntegerField(null=True, blank=True, help_text="decisions of the period, once counted")
    done = models.PositiveBigIntegerField(default=0, help_text="decisions judged again so far")
    cursor = models.UUIDField(null=True, blank=True, help_text="the last decision judged")
    memory = models.BinaryField(default=bytes, help_text="sums and limit windows, for the next slice")
    result = models.JSONField(default=dict, help_text="what came out so far; see `policies.replaying.summing`")
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(help_text="UTC")
    started_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="UTC; when a slice was last kept")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    objects = ReplayQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.REPLAY
    audit_type: ClassVar[str] = "replay"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("digest", "id"), name="policies_replay_digest"),
            models.Index(fields=("state", "id"), name="policies_replay_state"),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(since__lt=models.F("until")), name="policies_replay_period"),
        )

    def __str__(self) -> str:
        return f"replay of {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def percent(self) -> int:
        """How much of it is done, 0 to 100."""
        if self.state == ReplayState.FINISHED:
            return _WHOLE
        return min(_WHOLE, self.done * _WHOLE // self.total) if self.total else 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return not self.TRANSITIONS[self.state]
