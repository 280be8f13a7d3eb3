"""Replays: recorded decisions of a period judged again by another revision of the policies."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models

from audit.ids import new_id
from policies import states
from policies.models.decisions import Revision
from policies.states import ReplayState
from registry.models import User
from registry.states import Role

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

_WHOLE = 100
# A slice that was begun so often in vain took its worker with it each time, as where memory runs out.
MOST_TRIES: Final = 5
# What began longer ago than this has ended: tasks are cut at `CELERY_TASK_TIME_LIMIT`.
LONGEST_TRY: Final = timedelta(minutes=5)


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

    def waiting(self, *, now: datetime, quiet: timedelta) -> Self:
        """Keep the unfinished with which nobody goes on; those that were begun in vain stand behind the others.

        Args:
            now: aware UTC.
            quiet: somebody who goes on with one keeps a slice more often than this.
        """
        rows = self.unfinished().exclude(seen_at__gt=now - quiet)
        return rows.exclude(tries__gte=MOST_TRIES, tried_at__gt=now - LONGEST_TRY).order_by("tries", "id")

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
    tries = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="slices begun since one was last kept")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="UTC; when a slice was last begun")
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

    def is_worn_out(self, now: datetime) -> bool:
        """Whether every try that there may be was in vain, and none of them can still be under way."""
        return self.tries >= MOST_TRIES and (self.tried_at is None or self.tried_at <= now - LONGEST_TRY)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return not self.TRANSITIONS[self.state]
