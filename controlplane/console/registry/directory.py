"""Who and what there is: teams, people, the verb catalogue."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of
from controlplane.console.lists import time_column
from controlplane.console.people import viewer
from controlplane.console.registry.other_dialogs import KillTeam
from controlplane.console.tags import draw_state, draw_time, write_pretty
from registry.models import Agent, Team, User, Verb
from registry.states import Role

Rows = QuerySet[Any]
_APPLY = "python3 manage.py apply FILE.yaml --by USER"


class TeamPages(ConsoleAdmin):
    """Teams."""

    roles = EVERYBODY
    related = ("lead",)
    dialogs = {"kill": KillTeam}
    empty = Empty("No teams yet.", "Teams are written in the installation's document:", _APPLY)
    list_display = ("slug", "name", "lead", "people")
    search_fields = ("slug", "name", "members__username")

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Bring the members in one further query."""
        return super().get_queryset(request).prefetch_related("members")

    @admin.display(description="members")
    def people(self, row: Team) -> str:
        """Name the members."""
        return ", ".join(sorted(member.username for member in row.members.all())) or "nobody"

    def page(self, request: HttpRequest, row: Team) -> Sheet:
        """Show the team."""
        user = viewer(request)
        operates = Team.objects.operated_by(user).filter(pk=row.pk).exists()
        away = "" if operates else "Operators of the team and administrators stop its agents."
        agents = Agent.objects.visible_to(user).filter(team=row)
        return Sheet(
            f"Team {row.name}",
            (
                Fact("Name in documents", row.slug, code=True),
                Fact("Lead", row.lead.username if row.lead else "nobody"),
                Fact("Members", self.people(row)),
                Fact(
                    "Agents you see",
                    format_html('<a href="{}">{}</a>', list_of(Agent, f"team={row.slug}"), agents.count()),
                ),
            ),
            (Button("Stop all its agents…", self.address(row, "kill"), "danger", away),),
        )


class VerbPages(ConsoleAdmin):
    """The verb catalogue: it binds everyone, so everyone reads it."""

    roles = EVERYBODY
    empty = Empty(
        "The catalogue is empty, so every action is denied.",
        "Verbs are written in the installation's document:",
        _APPLY,
    )
    list_display = ("name", "capability", "extracts")
    search_fields = ("name",)

    def visible(self, user: User) -> Rows:
        """All of it."""
        return Verb.objects.all()

    @admin.display(description="capability")
    def capability(self, row: Verb) -> str:
        """Name the capability."""
        return str(row.spec.get("capability", ""))

    @admin.display(description="takes from the payload")
    def extracts(self, row: Verb) -> str:
        """Name what is extracted."""
        return ", ".join(name for name in ("destination", "units", "amount") if name in row.spec) or "nothing"

    def page(self, request: HttpRequest, row: Verb) -> Sheet:
        """Show the entry."""
        return Sheet(
            f"Verb {row.name}",
            (
                Fact("Capability", self.capability(row)),
                Fact("Takes from the payload", self.extracts(row)),
                Fact("Entry", write_pretty(row.spec), code=True),
            ),
        )


class PeoplePages(ConsoleAdmin):
    """People."""

    plural = "People"
    roles = frozenset({Role.ADMIN})
    empty = Empty(
        "Nobody yet.",
        "People are created by a command:",
        "python3 manage.py createuser NAME --role reviewer --password-stdin",
    )
    list_display = ("username", "standing", "role", "in_teams", "logged_in")
    list_filter = ("role", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")

    logged_in = time_column("last_login", "last log-in")

    def visible(self, user: User) -> Rows:
        """Everybody; only administrators have the page."""
        return User.objects.prefetch_related("teams")

    @admin.display(description="account", ordering="is_active")
    def standing(self, row: User) -> SafeString:
        """Draw whether the account is active."""
        return draw_state("active" if row.is_active else "inactive", "person")

    @admin.display(description="teams")
    def in_teams(self, row: User) -> str:
        """Name the teams."""
        return ", ".join(sorted(team.slug for team in row.teams.all())) or "none"

    def page(self, request: HttpRequest, row: User) -> Sheet:
        """Show the person."""
        return Sheet(
            f"{row.get_full_name() or row.username}",
            (
                Fact("User name", row.username, code=True),
                Fact("Account", self.standing(row)),
                Fact("Role", row.get_role_display()),
                Fact("Teams", self.in_teams(row)),
                Fact("Last log-in", draw_time(row.last_login)),
                Fact("Must change the password", "yes" if row.must_change_password else "no"),
            ),
        )
