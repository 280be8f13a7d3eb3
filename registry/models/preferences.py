"""What a person keeps for themselves in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from registry.models.people import User

if TYPE_CHECKING:
    from typing import Self

LONGEST_NAME = 60
LONGEST_QUERY = 1000


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Readings of saved views."""

    def visible_to(self, user: User) -> Self:
        """Keep the person's own; nobody sees another's."""
        return self.filter(user=user) if user.is_active else self.none()


class SavedView(models.Model):
    """A list with its search and filters, under a name of the person's own."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    page = models.CharField(max_length=64, help_text="whose list: runs.run")
    name = models.CharField(max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST_QUERY, blank=True, help_text="query string of the list, without ?")
    created_at = models.DateTimeField(help_text="UTC")

    objects = SavedViewQuerySet.as_manager()

    audit_type: ClassVar[str] = "view"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=("user", "page", "name"), name="registry_one_view_per_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """``<user name>/<page>/<name>``."""
        return f"{self.user.username}/{self.page}/{self.name}"
