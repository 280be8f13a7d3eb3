"""People and the teams they act for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models
from django.utils.crypto import salted_hmac
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from guardian.shortcuts import get_objects_for_user
from simple_history.models import HistoricalRecords

from audit.actors import Actor
from registry.preferences import UTC_NAME, Preferences
from registry.states import Role

if TYPE_CHECKING:
    from typing import Self

SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z", "Lower-case letters, digits and hyphens.")


class PeopleQuerySet(models.QuerySet["User"]):
    """Readings of people."""

    def visible_to(self, user: User) -> Self:
        """Keep everybody for an administrator, for anybody else themselves."""
        if not user.is_active:
            return self.none()
        return self if user.role == Role.ADMIN else self.filter(pk=user.pk)


class PeopleManager(UserManager["User"]):
    """Django's own manager of people, with our readings."""

    use_in_migrations = False

    def get_queryset(self) -> PeopleQuerySet:
        """Return all people."""
        return PeopleQuerySet(self.model, using=self._db)

    def visible_to(self, user: User) -> PeopleQuerySet:
        """Keep the people that a person may see."""
        return self.get_queryset().visible_to(user)


class User(AbstractUser):
    """A person. The role says what they are; object permissions on teams say where."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.REVIEWER)
    must_change_password = models.BooleanField(default=False, help_text="set for a one-time password")
    shortcuts = models.BooleanField(default=True, help_text="whether single keys do something in the console")
    zone = models.CharField(max_length=64, default=UTC_NAME, help_text="IANA time zone of the person's clock")
    quiet_from = models.TimeField(null=True, blank=True, help_text="by the person's clock; quiet from then")
    quiet_until = models.TimeField(null=True, blank=True, help_text="by the person's clock; not quiet any more")
    delegate = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="is told as well; it gives no right",
    )  # fmt: skip
    delegate_from = models.DateTimeField(null=True, blank=True, help_text="UTC")
    delegate_until = models.DateTimeField(null=True, blank=True, help_text="UTC")
    session_epoch = models.PositiveIntegerField(default=0, help_text="one more ends every session of the person")

    objects: ClassVar[PeopleManager] = PeopleManager()

    audit_type: ClassVar[str] = "person"
    audit_team = ""
    audit_agent = ""

    class Meta(AbstractUser.Meta):
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="registry_quiet_hours_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(delegate=None)
                | models.Q(delegate_from__isnull=False, delegate_until__gt=models.F("delegate_from"))
                & models.Q(delegate_until__isnull=False),
                name="registry_delegate_for_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(delegate=None) | ~models.Q(delegate=models.F("id")),
                name="registry_delegate_is_another",
            ),
        )

    @property
    def preferences(self) -> Preferences:
        """What the person chose for themselves."""
        return Preferences(
            self.zone, self.quiet_from, self.quiet_until, self.delegate_id, self.delegate_from, self.delegate_until
        )

    @property
    def actor(self) -> Actor:
        """The person as the trail records them."""
        return Actor(type="person", id=self.username)

    @property
    def audit_id(self) -> str:
        """The user name."""
        return self.username

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Bind sessions to the password, as Django does, and to the epoch: another one ends them all at once.

        Django's two public methods, of the present key and of retired ones, both end here.
        """
        bound = f"{self.password}|{self.session_epoch}" if self.session_epoch else self.password
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, bound, secret=secret, algorithm="sha256").hexdigest()

    @property
    def sees_everything(self) -> bool:
        """Whether rows of all teams are visible to this person."""
        return self.is_active and self.role in {Role.ADMIN, Role.AUDITOR}

    @property
    def operated_teams(self) -> list[str]:
        """Slugs of the teams whose agents this person operates."""
        return list(Team.objects.operated_by(self).values_list("slug", flat=True))

    @property
    def owned_agents(self) -> list[str]:
        """Slugs of the agents that this person owns; none once the account is closed."""
        if not self.is_active:
            return []
        # By name: agents are defined upon people.
        agents = apps.get_model("registry", "Agent")._default_manager
        return list(agents.filter(owner=self).values_list("slug", flat=True))


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
