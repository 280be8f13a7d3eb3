"""What administrators do to people and teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpResponse

from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import Dialog, Done, EditDialog, NoForm, Words
from controlplane.console.registry.fields import FieldDialog, ManyNamed, Named
from registry import permissions
from registry.models import Team, User
from registry.operations import (
    create_person,
    deactivate,
    delete_team,
    edit_person,
    grant_publish,
    reactivate,
    reset_password,
    save_team,
    withdraw_publish,
)
from registry.operations.disbanding import holders
from registry.operations.people import PEOPLE_LOCK
from registry.operations.rights import TEAMS_LOCK
from registry.permissions import found
from registry.states import Role


class PersonFacts(forms.Form):
    """What is written about a person."""

    first_name = forms.CharField(label="Given name", required=False, max_length=150)
    last_name = forms.CharField(label="Family name", required=False, max_length=150)
    email = forms.CharField(label="Email", required=False, max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.REVIEWER)
    teams = ManyNamed(
        Team.objects.order_by("slug"), name="slug",
        help_text="Members see their team; members who are operators operate its agents.",
    )  # fmt: skip


class NewPerson(PersonFacts):
    """A new person."""

    username = forms.CharField(label="User name", max_length=150, help_text="Letters, digits and @ . + - _")
    field_order = ("username",)


class PeopleDialog(FieldDialog):
    """A dialog of administrators."""

    def check(self) -> None:
        """Check the right."""
        permissions.may_manage_people(self.user)

    def told_once(self, title: str, user: User, password: str) -> HttpResponse:
        """Show a one-time password; the page is kept by nobody."""
        context = {"title": title, "person": user, "password": password, "back": page_of(user)}
        response = self.framed("console/registry/one_time.html", context)
        response["Cache-Control"] = "no-store"
        return response


class CreatePerson(PeopleDialog):
    """Create a person."""

    form_class = NewPerson

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Create a person",
            ("They get a one-time password, shown once on the next page, and must choose their own at first log-in.",),
            "Create the person",
        )

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Create them and show the password."""
        user, password = create_person(**data, by=self.user, now=self.now)
        return self.told_once(f"{user.username} is created", user, password)


class PersonDialog(PeopleDialog):
    """A dialog about one person."""

    row: User

    def done(self, said: str) -> Done:
        """Go back to the person."""
        return Done(said, page_of(self.row))


class EditPerson(EditDialog, PersonDialog):
    """Change a person."""

    form_class = PersonFacts
    lock = PEOPLE_LOCK

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit {self.row.username}",
            ("Rights follow from role and teams, from their next click on.",),
            "Save the person",
        )

    def initial(self) -> dict[str, Any]:
        """Hold what is written."""
        return {
            "first_name": self.row.first_name,
            "last_name": self.row.last_name,
            "email": self.row.email,
            "role": self.row.role,
            "teams": list(self.row.teams.values_list("pk", flat=True)),
        }

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        changed = edit_person(user=self.row, **data, by=self.user, now=self.now)
        return self.done(f"{self.row.username} is saved." if changed else "Nothing was changed.")


class Deactivate(PersonDialog):
    """Shut a person out."""

    form_class = NoForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Deactivate {self.row.username}?",
            (
                "Their sessions end at their next click, and their votes no longer count towards a quorum.",
                "What they did stays. Agents that they own are ownerless until they are transferred.",
            ),
            f"Deactivate {self.row.username}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Deactivate."""
        changed = deactivate(user=self.row, by=self.user, now=self.now)
        return self.done(f"{self.row.username} is deactivated." if changed else "Already deactivated.")


class Reactivate(PersonDialog):
    """Let a person in again."""

    form_class = NoForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Reactivate {self.row.username}?",
            ("They log in again with the password that they had, and have the rights of their role and teams.",),
            f"Reactivate {self.row.username}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Reactivate."""
        changed = reactivate(user=self.row, by=self.user, now=self.now)
        return self.done(f"{self.row.username} is active." if changed else "Already active.")


class ResetPassword(PersonDialog):
    """Give a one-time password."""

    form_class = NoForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Reset the password of {self.row.username}?",
            ("The present one stops working. A one-time password is shown once, on the next page.",),
            "Reset the password",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Reset it and show it."""
        password = reset_password(user=self.row, by=self.user, now=self.now)
        return self.told_once(f"The password of {self.row.username} is reset", self.row, password)


class TeamFacts(forms.Form):
    """What a team is."""

    name = forms.CharField(max_length=120)
    lead = Named(User.objects.order_by("username"), name="username", required=False, help_text="One of the members.")
    members = ManyNamed(
        User.objects.order_by("username"), name="username", help_text="Operators among them operate its agents."
    )


class NewTeam(TeamFacts):
    """A new team."""

    slug = forms.CharField(max_length=64, help_text="Lower-case letters, digits, hyphens. It never changes.")
    field_order = ("slug",)


class CreateTeam(PeopleDialog):
    """Create a team."""

    form_class = NewTeam

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Create a team", ("Agents stand in a team's trail, and only its people see them.",), "Create the team"
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Create it."""
        save_team(**data, by=self.user, now=self.now, fresh=True)
        return Done(f"The team {data['slug']} is created.", page_of(found(Team.objects.filter(slug=data["slug"]))))


class TeamDialog(PeopleDialog):
    """A dialog about one team."""

    row: Team


class EditTeam(EditDialog, TeamDialog):
    """Change a team."""

    form_class = TeamFacts
    lock = TEAMS_LOCK

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit the team {self.row.slug}",
            ("Whoever leaves it loses its rights at once; who joins has those of their role.",),
            "Save the team",
        )

    def initial(self) -> dict[str, Any]:
        """Hold what it is."""
        members = list(self.row.members.values_list("pk", flat=True))
        return {"name": self.row.name, "lead": self.row.lead_id, "members": members}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        changed = save_team(slug=self.row.slug, **data, by=self.user, now=self.now)
        return Done("The team is saved." if changed else "Nothing was changed.", page_of(self.row))


class DeleteTeam(TeamDialog):
    """Delete an empty team."""

    form_class = NoForm

    def words(self) -> Words:
        """Name the effect, or what stands in its way."""
        held = holders(self.row)
        return Words(
            f"Delete the team {self.row.slug}?",
            (
                f"Not empty: {', '.join(held)} belong to it." if held else "Nothing belongs to it.",
                "Its memberships and every right over it die with it. The trail keeps what was done.",
            ),
            "Delete the team",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Delete it."""
        slug = self.row.slug
        delete_team(team=self.row, by=self.user, now=self.now)
        return Done(f"The team {slug} is deleted.", list_of(Team))


class Publishers(forms.Form):
    """Who publishes over the team's agents."""

    def __init__(self, *args: Any, team: Team, **options: Any) -> None:
        super().__init__(*args, **options)
        operators = User.objects.filter(teams=team, is_active=True, role=Role.OPERATOR).order_by("username")
        self.fields["person"] = Named(operators, name="username")
        self.fields["may"] = forms.ChoiceField(
            label="May publish", choices=(("yes", "Yes"), ("no", "No")), help_text="Policies, and raising budgets."
        )


class Publish(TeamDialog):
    """Let a member publish, or take it back."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Who publishes over the agents of {self.row.slug}?",
            ("Only operators of the team can have this right; it ends when they leave it.",),
            "Save the right",
        )

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the team's operators."""
        return Publishers(data, team=self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Grant or withdraw."""
        change = grant_publish if data["may"] == "yes" else withdraw_publish
        changed = change(team=self.row, user=data["person"], by=self.user, now=self.now)
        return Done("The right is saved." if changed else "Nothing was changed.", page_of(self.row))


PERSON: dict[str, type[Dialog]] = {
    "edit": EditPerson,
    "deactivate": Deactivate,
    "reactivate": Reactivate,
    "reset-password": ResetPassword,
}
TEAM: dict[str, type[Dialog]] = {"edit": EditTeam, "publish": Publish, "delete": DeleteTeam}
