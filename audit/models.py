"""The append-only trail and its seals.

Rows hold no foreign keys: the trail outlives what it speaks of. Triggers on both engines
refuse UPDATE and DELETE (`audit.triggers`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from django.db import models
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from audit.ids import floor_id, new_id

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from typing import Self

# No write transaction lives this long (tasks are cut at 300 s), so no entry commits later than this.
LONGEST_WRITE = timedelta(minutes=15)


class Reader(Protocol):
    """Who reads the trail: what the people above this floor tell of themselves."""

    @property
    def sees_everything(self) -> bool:
        """Whether entries of all teams are theirs to read."""
        ...

    @property
    def operated_teams(self) -> Collection[str]:
        """Slugs of the teams that they operate; none once the account is closed."""
        ...

    @property
    def owned_agents(self) -> Collection[str]:
        """Slugs of the agents that they own; none likewise."""
        ...


class EntryQuerySet(models.QuerySet["Entry"]):
    """Readings of the trail."""

    def visible_to(self, user: Reader) -> Self:
        """Keep entries of operated teams (as they were then) and of owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        # Wrapped, so that no index serves the alternative: a page is read in the order of ids and stops when full,
        # where SQLite would otherwise fetch and sort all entries that either index finds.
        team, agent = Coalesce("team", models.Value("")), Coalesce("agent", models.Value(""))
        return self.filter(models.Q(In(team, user.operated_teams)) | models.Q(In(agent, user.owned_agents)))

    def of_agents(self, slugs: list[str]) -> Self:
        """Keep entries about the named agents."""
        return self.filter(agent__in=slugs)

    def of_teams(self, slugs: list[str]) -> Self:
        """Keep entries in the trail of the named teams."""
        return self.filter(team__in=slugs)

    def about(self, object_type: str, object_id: str) -> Self:
        """Keep entries about one object."""
        return self.filter(object_type=object_type, object_id=object_id)

    def unsealed(self, *, since: Seal | None) -> Self:
        """Keep what no seal covers yet.

        Args:
            since: the newest seal: look only at the quarter of an hour before it, which no write
                transaction outlives. None looks at everything.
        """
        found = self.filter(~models.Exists(Seal.objects.filter(entry_id=models.OuterRef("pk"))))
        return found.filter(pk__gte=floor_id(since.sealed_at - LONGEST_WRITE)) if since else found

    def since(self, moment: datetime) -> Self:
        """Keep entries at or after a moment."""
        return self.filter(at__gte=moment)


class Entry(models.Model):
    """One thing that was done, by whom, with what outcome."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    at = models.DateTimeField(help_text="UTC")
    actor_type = models.CharField(max_length=16, help_text="person, agent or system")
    actor_id = models.CharField(max_length=150)
    on_behalf_of = models.CharField(max_length=150, blank=True)
    token_id = models.CharField(max_length=64, blank=True, help_text="public id of the key or token used")
    address = models.CharField(max_length=64, blank=True, help_text="network address of the caller")
    request_id = models.CharField(max_length=128, blank=True)
    kind = models.CharField(max_length=64, help_text="what was done, dotted: approval.approved")
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=150)
    team = models.CharField(max_length=64, blank=True, help_text="slug of the team at that time")
    agent = models.CharField(max_length=64, blank=True, help_text="slug of the agent concerned")
    outcome = models.CharField(max_length=32, blank=True)
    before_digest = models.CharField(max_length=64, blank=True)
    after_digest = models.CharField(max_length=64, blank=True)
    commitment = models.CharField(max_length=64, blank=True, help_text="SHA-256(salt ‖ payload), hex")
    details = models.TextField(default="{}", help_text="RFC 8785 JSON: ids, revisions, reasons; no payloads")

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "entries"
        indexes = (
            models.Index(fields=("object_type", "object_id", "id"), name="audit_entry_object"),
            models.Index(fields=("team", "id"), name="audit_entry_team"),
            models.Index(fields=("agent", "id"), name="audit_entry_agent"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.object_type} {self.object_id}"


class Seal(models.Model):
    """An entry's place in the order and in the hash chain."""

    entry_id = models.UUIDField(primary_key=True, editable=False)
    seq = models.BigIntegerField(unique=True, help_text="gapless, from 1")
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, help_text="SHA-256(domain ‖ prev_hash ‖ canonical entry), hex")
    sealed_at = models.DateTimeField(help_text="UTC")

    class Meta:
        ordering = ("-seq",)

    def __str__(self) -> str:
        return f"seal {self.seq}"


class Verification(models.Model):
    """What the last verification of the trail said."""

    at = models.DateTimeField(help_text="UTC")
    verdict = models.CharField(max_length=16, help_text="intact, tampered, gap or unreadable")
    seq = models.BigIntegerField(help_text="last sealed, or first bad, sequence number")
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ("-at",)

    def __str__(self) -> str:
        return f"{self.verdict} at {self.seq}"
