"""Where people are told: each person's own channels, and which kinds go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from registry.models import User

if TYPE_CHECKING:
    from typing import Self


class ChannelQuerySet(models.QuerySet["Channel"]):
    """Readings of channels."""

    def visible_to(self, user: User) -> Self:
        """Keep the person's own; nobody sees another's."""
        return self.filter(user=user) if user.is_active else self.none()


class Channel(models.Model):
    """One place where a person is told. The address may carry a token: it is encrypted and write-only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    scheme = models.CharField(max_length=16, help_text="of the address: mailtos, slack, workflows, jsons, ntfys")
    address = models.TextField(help_text="encrypted, bound to the row")
    hint = models.CharField(max_length=4, help_text="last four characters of the address")
    kinds = models.JSONField(default=list, help_text="of `controlplane.delivery.notices`; empty: all")
    created_at = models.DateTimeField(help_text="UTC")

    objects = ChannelQuerySet.as_manager()

    audit_type: ClassVar[str] = "channel"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=("user", "name"), name="delivery_one_channel_per_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """``<user name>/<name>``."""
        return f"{self.user.username}/{self.name}"

    def place(self, column: str) -> str:
        """Say where a secret stands, for `controlplane.atrest`."""
        return f"delivery_channel/{self.id}/{column}"
