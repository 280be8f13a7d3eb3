"""Who and what there is: teams, people, the verb catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.refusals import Forbidden
from controlplane.console.accounts import people as accounts
from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of
from controlplane.console.lists import time_column
from controlplane.console.people import viewer
from controlplane.console.registry import people_forms
from controlplane.console.registry.histories import verb_history
from controlplane.console.registry.kill_dialogs import KillTeam
from controlplane.console.registry.person_rights import RIGHTS
from controlplane.console.registry.rights import can_do, team_rights
from controlplane.console.registry.verb_forms import CreateVerb, EditVerb, RevertVerb, Try
from controlplane.console.tags import draw_state, draw_time, write_exactly, write_pretty
from registry.models import Agent, Team, User, Verb
from registry.permissions import may_change_verbs
from registry.states import Role

Rows = QuerySet[Any]
_APPLY = "python3 manage.py apply FILE.yaml --by USER"


class TeamPages(ConsoleAdmin):
    """Teams."""

    roles = EVERYBODY
    related = ("lead",)
    dialogs = {"kill": KillTeam, **people_forms.TEAM}
    list_dialogs = {"create": people_forms.CreateTeam}
    empty = Empty("No teams yet.", "Create one above, or describe teams in the installation's document:", _APPLY)
    list_display = ("slug", "name", "lead", "people")
    search_fields = ("slug", "name", "members__username")

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Bring the members in one further query."""
        return super().get_queryset(request).prefetch_related("members")

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to create one."""
        return (Button("Create a team…", f"{list_of(Team)}do/create/", "main", _away(viewer(request))),)

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
                Fact("Members and what they may do", team_rights(row)),
                Fact(
                    "Agents you see",
                    format_html('<a href="{}">{}</a>', list_of(Agent, f"team={row.slug}"), agents.count()),
                ),
            ),
            (
                Button("Edit the team…", self.address(row, "edit"), "main", _away(user)),
                Button("Who publishes…", self.address(row, "publish"), "", _away(user)),
                Button("Stop all its agents…", self.address(row, "kill"), "danger", away),
                Button("Delete the team…", self.address(row, "delete"), "danger", _away(user)),
            ),
        )


class VerbPages(ConsoleAdmin):
    """The verb catalogue: it binds everyone, so everyone reads it."""

    roles = EVERYBODY
    empty = Empty(
        "The catalogue is empty, so every action is denied.",
        "Add one above, or describe verbs in the installation's document:",
        _APPLY,
    )
    dialogs = {"edit": EditVerb, "try": Try, "revert": RevertVerb}
    list_dialogs = {"create": CreateVerb}
    list_display = ("name", "capability", "extracts")
    search_fields = ("name",)

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to add one."""
        return (Button("Add a verb…", f"{list_of(Verb)}do/create/", "main", _verbs_away(viewer(request))),)

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
        away = _verbs_away(viewer(request))
        return Sheet(
            f"Verb {row.name}",
            (
                Fact("Capability", self.capability(row)),
                Fact("Takes from the payload", self.extracts(row)),
                Fact("Entry", write_pretty(row.spec), code=True),
                Fact("History", _edits(row, may_revert=not away)),
            ),
            (
                Button("Try it on a payload…", self.address(row, "try"), "main"),
                Button("Edit the verb…", self.address(row, "edit"), "", away),
            ),
        )


class PeoplePages(ConsoleAdmin):
    """People."""

    plural = "People"
    related = ("delegate",)
    roles = frozenset({Role.ADMIN})
    dialogs = {**people_forms.PERSON, **RIGHTS, **accounts.PERSON}
    list_dialogs = {"create": people_forms.CreatePerson}
    empty = Empty(
        "Nobody yet.",
        "Create one above, or by a command:",
        "python3 manage.py createuser NAME --role reviewer --password-stdin",
    )
    list_display = ("username", "standing", "role", "in_teams", "logged_in")
    list_filter = ("role", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")

    logged_in = time_column("last_login", "last log-in")

    def visible(self, user: User) -> Rows:
        """Bring the teams along."""
        return super().visible(user).prefetch_related("teams")

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to create one."""
        return (Button("Create a person…", f"{list_of(User)}do/create/", "main"),)

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
                Fact("Email", row.email or "none"),
                Fact("Teams", self.in_teams(row)),
                Fact("Can do", can_do(row)),
                Fact("Time zone", row.zone),
                Fact("Quiet hours", _quiet(row)),
                Fact("Delegate", _delegate(row)),
                Fact("Single keys", "do something" if row.shortcuts else "turned off"),
                Fact("Last log-in", draw_time(row.last_login)),
                Fact("Must change the password", "yes" if row.must_change_password else "no"),
            ),
            self._buttons(row, viewer(request)),
        )

    def _buttons(self, row: User, user: User) -> tuple[Button, ...]:
        edit = Button("Edit the person…", self.address(row, "edit"), "main")
        if not row.is_active:
            return (edit, Button("Reactivate…", self.address(row, "reactivate")))
        own = "Change your own password in the menu at the top." if row.pk == user.pk else ""
        return (
            edit,
            Button("Reset the password…", self.address(row, "reset-password"), "", own),
            Button("Right to break the glass…", self.address(row, "break-glass")),
            Button("Right to price…", self.address(row, "pricing")),
            Button("End all sessions…", self.address(row, "end-sessions")),
            Button("Remove second factors…", self.address(row, "reset-factors")),
            Button("Open the log-in…", self.address(row, "open-log-in")),
            Button("Deactivate…", self.address(row, "deactivate"), "danger"),
        )


def _quiet(row: User) -> str:
    """Write a person's quiet hours, by their own clock."""
    if row.quiet_from is None or row.quiet_until is None:
        return "never"
    return f"{row.quiet_from:%H:%M} to {row.quiet_until:%H:%M}"


def _delegate(row: User) -> str:
    """Name who is told as well, and when; it gives them no right."""
    if row.delegate is None:
        return "nobody"
    return f"{row.delegate.username}, {write_exactly(row.delegate_from)} to {write_exactly(row.delegate_until)}"


def _away(user: User) -> str:
    """Say why a person cannot manage teams; empty where they can."""
    return "" if user.role == Role.ADMIN else "Administrators manage people and teams."


def _verbs_away(user: User) -> str:
    """Say why a person cannot change the catalogue; empty where they can."""
    try:
        may_change_verbs(user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


def _edits(row: Verb, *, may_revert: bool) -> SafeString | str:
    """Draw what was changed of an entry, newest first."""
    lines = [
        format_html(
            "{} by {}: {}{}",
            draw_time(edit.at),
            edit.by,
            "; ".join(f"{name} {old} → {new}" for name, old, new in edit.changes) or "nothing",
            format_html(' <a href="{}" data-dialog>Bring back…</a>', edit.revert_url) if may_revert else "",
        )
        for edit in verb_history(row)
    ]
    return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) if lines else "never changed"
