"""People and the teams they act for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from guardian.shortcuts import get_objects_for_user
from simple_history.models import HistoricalRecords

from audit.actors import Actor
from registry.states import Role

if TYPE_CHECKING:
    from typing import Self

SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z", "Lower-case letters, digits and hyphens.")


class User(AbstractUser):
    """A person. The role says what they are; object permissions on teams say where."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.REVIEWER)
    must_change_password = models.BooleanField(default=False, help_text="set for a one-time password")

    audit_type: ClassVar[str] = "person"
    audit_team = ""
    audit_agent = ""

    @property
    def actor(self) -> Actor:
        """The person as the trail records them."""
        return Actor(type="person", id=self.username)

    @property
    def audit_id(self) -> str:
        """The user name."""
        return self.username

    @property
    def sees_everything(self) -> bool:
        """Whether rows of all teams are visible to this person."""
        return self.is_active and self.role in {Role.ADMIN, Role.AUDITOR}


class TeamQuerySet(models.QuerySet["Team"]):
    """Readings of teams."""

    def operated_by(self, user: User) -> Self:
        """Keep the teams whose agents this person operates: all for an administrator."""
        return self._with_right(user, "operate_team", everything=user.role == Role.ADMIN)

    def published_by(self, user: User) -> Self:
        """Keep the teams over whose agents this person publishes: all for an administrator."""
        return self._with_right(user, "publish_team", everything=user.role == Role.ADMIN)

    def visible_to(self, user: User) -> Self:
        """Keep the teams that this person may see: their own, or all."""
        return self._with_right(user, "view_team", everything=user.sees_everything)

    def _with_right(self, user: User, right: str, *, everything: bool) -> Self:
        if not user.is_active:
            return self.none()
        if everything:
            return self
        held = get_objects_for_user(user, f"registry.{right}", Team, with_superuser=False)
        return self.filter(pk__in=held.values("pk"))


class Team(models.Model):
    """A group of people that answers for agents; the border of isolation."""

    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    name = models.CharField(max_length=120)
    lead = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    members = models.ManyToManyField(User, blank=True, related_name="teams")

    history = HistoricalRecords()
    objects = TeamQuerySet.as_manager()

    audit_type: ClassVar[str] = "team"
    audit_agent = ""

    class Meta:
        ordering = ("slug",)
        permissions = (
            ("operate_team", "Operate the team's agents: register, pause, stop, keys, drafts"),
            ("publish_team", "Publish policies and raise budgets over the team's agents"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    @property
    def audit_team(self) -> str:
        """The slug."""
        return self.slug


class TeamUserRight(UserObjectPermissionBase):
    """A person's object permission on a team; its foreign key lets it die with the team.

    guardian finds this model through the key's reverse side, which therefore has no ``+`` name.
    """

    content_object = models.ForeignKey(Team, models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = "team right"

    def __str__(self) -> str:
        return f"{self.user} {self.permission.codename} {self.content_object}"


class TeamGroupRight(GroupObjectPermissionBase):
    """A group's object permission on a team; its foreign key lets it die with the team."""

    content_object = models.ForeignKey(Team, models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = "team right of a group"

    def __str__(self) -> str:
        return f"{self.group} {self.permission.codename} {self.content_object}"
