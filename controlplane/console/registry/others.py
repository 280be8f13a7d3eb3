"""Versions, keys, commands, releases, kill switches, teams, verbs, people: plain searchable lists and their pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.refusals import Forbidden, Missing
from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.lists import ByAgent, Since, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.registry.agent_lines import key_state
from controlplane.console.registry.key_dialogs import RevokeKey, RotateKey
from controlplane.console.registry.kill_dialogs import LetOut, Lift, PutBack, Throw, reach
from controlplane.console.tags import draw_state, draw_time, write_pretty
from registry.models import AgentKey, Command, KillExemption, KillSwitch, Release, User
from registry.permissions import may_lift, operates, owns
from registry.states import AgentState, KeyState, KillScope, KillState, Role

Rows = QuerySet[Any]
_APPLY = "python3 manage.py apply FILE.yaml --by USER"


KEYS_END_SOON = timedelta(days=7)


def ending_soon(rows: Rows, now: datetime) -> Rows:
    """Keep the keys of active agents that work now and end within `KEYS_END_SOON`."""
    return rows.filter(
        agent__state=AgentState.ACTIVE, state=KeyState.LIVE, expires_at__gt=now, expires_at__lt=now + KEYS_END_SOON
    )


class EndingSoon(admin.SimpleListFilter):
    """Keys that end soon."""

    title = parameter_name = "ends"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("soon", f"within {KEYS_END_SOON.days} days")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep them."""
        return ending_soon(queryset, timezone.now()) if self.value() == "soon" else queryset


def link(row: Any, label: str = "") -> SafeString:
    """Return a link to an object's page."""
    return format_html('<a href="{}">{}</a>', page_of(row), label or str(row))


class KeyPages(ConsoleAdmin):
    """Agents' keys; their secrets are nowhere."""

    plural = "Keys"
    related = ("agent__team", "agent__owner", "issued_by")
    dialogs = {"revoke": RevokeKey, "rotate": RotateKey}
    empty = Empty("No keys yet.", "Keys are issued on an agent's page, and shown once.")
    list_display = ("name", "standing", "of_agent", "environment", "issued_by", "expires", "used")
    list_filter = (EndingSoon, "state", "environment", ByAgent)
    search_fields = ("public_id", "agent__slug", "issued_by__username")

    of_agent = agent_column()
    expires = time_column("expires_at")
    used = time_column("last_used_at", "last used")

    @admin.display(description="key", ordering="public_id")
    def name(self, row: AgentKey) -> str:
        """Write the public part."""
        return str(row)

    @admin.display(description="state", ordering="state")
    def standing(self, row: AgentKey) -> SafeString:
        """Draw the state, expiry included."""
        return draw_state(key_state(row, timezone.now()), "key")

    def page(self, request: HttpRequest, row: AgentKey) -> Sheet:
        """Show the key."""
        live = row.state == KeyState.LIVE
        return Sheet(
            f"Key {row}",
            (
                Fact("State", self.standing(row)),
                Fact("Agent", link(row.agent, row.agent.slug)),
                Fact("Environment", row.environment),
                Fact("Scopes", ", ".join(row.scopes)),
                Fact("Issued by", f"{row.issued_by.username}, who may not vote on what is asked with it"),
                Fact("Issued", draw_time(row.issued_at)),
                Fact("Expires", draw_time(row.expires_at)),
                Fact("Last used", draw_time(row.last_used_at)),
            ),
            self._buttons(row, viewer(request)) if live else (),
        )

    def _buttons(self, row: AgentKey, user: User) -> tuple[Button, ...]:
        issues = operates(user, row.agent.team) or owns(user, row.agent)
        away = "" if issues else "Operators of the agent's team, its owner and administrators do this."
        return (
            Button("Rotate the key…", self.address(row, "rotate"), "main", away),
            Button("Revoke the key…", self.address(row, "revoke"), "danger", away),
        )


class CommandPages(ConsoleAdmin):
    """Commands: requested here, reported by the agent."""

    related = ("agent", "requested_by")
    empty = Empty("No commands yet.", "Start, stop and dispatch are requested on an agent's page.")
    list_display = ("what", "standing", "of_agent", "requested_by", "requested", "reported", "note")
    list_filter = ("state", "kind", ByAgent)
    search_fields = ("agent__slug", "note", "requested_by__username")

    of_agent = agent_column()
    standing = state_column("command")
    requested = time_column("requested_at")
    reported = time_column("reported_at", empty="not yet")

    @admin.display(description="command", ordering="kind")
    def what(self, row: Command) -> str:
        """Name the command."""
        return row.get_kind_display()

    def page(self, request: HttpRequest, row: Command) -> Sheet:
        """Show the command."""
        return Sheet(
            f"{row.get_kind_display()} for {row.agent.slug}",
            (
                Fact("State", draw_state(row.state, "command")),
                Fact("Agent", link(row.agent, row.agent.slug)),
                Fact("Requested by", row.requested_by.username),
                Fact("Requested", draw_time(row.requested_at)),
                Fact("Must be acknowledged by", draw_time(row.expires_at)),
                Fact("Handed to the agent", draw_time(row.delivered_at)),
                Fact("Reported", draw_time(row.reported_at)),
                Fact("The agent says (untrusted)", row.note or "nothing"),
                Fact("Parameters", write_pretty(row.parameters), code=True),
            ),
        )


class SinceReleased(Since):
    """When it was released."""

    column = "released_at"


class ReleasePages(ConsoleAdmin):
    """What is, and was, live where."""

    related = ("agent", "version__agent", "released_by", "rolls_back")
    empty = Empty("Nothing was released yet.", "Versions are promoted on their pages.")
    list_display = ("what", "standing", "environment", "of_agent", "released_by", "released", "ended")
    list_filter = ("state", "environment", ByAgent, SinceReleased)
    search_fields = ("agent__slug", "released_by__username")

    of_agent = agent_column()
    standing = state_column("release")
    released = time_column("released_at")
    ended = time_column("ended_at", empty="–")

    @admin.display(description="version", ordering="version__number")
    def what(self, row: Release) -> str:
        """Name the version."""
        return f"v{row.version.number}{' (rollback)' if row.rolls_back_id else ''}"

    def page(self, request: HttpRequest, row: Release) -> Sheet:
        """Show the release."""
        return Sheet(
            f"{row.version} in {row.environment}",
            (
                Fact("State", draw_state(row.state, "release")),
                Fact("Agent", link(row.agent, row.agent.slug)),
                Fact("Version", link(row.version, f"v{row.version.number}")),
                Fact("Released by", row.released_by.username),
                Fact("Released", draw_time(row.released_at)),
                Fact("Ended", draw_time(row.ended_at)),
                Fact("Rolls back", link(row.rolls_back) if row.rolls_back else "nothing"),
            ),
        )


class KillPages(ConsoleAdmin):
    """Kill switches."""

    related = ("thrown_by", "team")
    dialogs = {"lift": Lift, "let-out": LetOut, "put-back": PutBack}
    list_dialogs = {"throw": Throw}
    empty = Empty("No kill switch was ever thrown.", "It stops an agent, a team, a tag or everything at once.")
    list_display = ("what", "standing", "reason", "thrown_by", "thrown", "lifted")
    list_filter = ("state", "scope")
    search_fields = ("value", "reason")

    standing = state_column("kill")
    thrown = time_column("thrown_at")
    lifted = time_column("lifted_at", empty="–")

    @admin.display(description="stops", ordering="scope")
    def what(self, row: KillSwitch) -> str:
        """Say whom it stops."""
        return f"{row.get_scope_display()} {row.value}".strip()

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to throw one."""
        away = "" if viewer(request).role in {Role.ADMIN, Role.OPERATOR} else "Administrators and operators throw it."
        return (Button("Throw a kill switch…", f"{list_of(KillSwitch)}do/throw/", "danger", away),)

    def page(self, request: HttpRequest, row: KillSwitch) -> Sheet:
        """Show the switch."""
        in_force = row.state == KillState.IN_FORCE
        user = viewer(request)
        away = _lift_away(user, row)
        return Sheet(
            f"Kill switch: {self.what(row)}",
            (
                Fact("State", draw_state(row.state, "kill")),
                Fact("Reason", row.reason),
                Fact("Thrown by", row.thrown_by.username),
                Fact("Thrown", draw_time(row.thrown_at)),
                Fact("Lifted", draw_time(row.lifted_at)),
                *((Fact("Stops", reach(row.scope, row.value)),) if in_force and user.sees_everything else ()),
                Fact("Let out of it", self._let_out(row, user, may=in_force and not away)),
            ),
            (
                Button("Lift it…", self.address(row, "lift"), "main", away),
                *(
                    (Button("Let one agent out…", self.address(row, "let-out"), "", away),)
                    if row.scope != KillScope.AGENT
                    else ()
                ),
            )
            if in_force
            else (),
        )

    def _let_out(self, row: KillSwitch, user: User, *, may: bool) -> SafeString | str:
        """Draw whom the switch does not stop, of those that the person sees."""
        rows = KillExemption.objects.visible_to(user).filter(switch=row).select_related("agent", "let_out_by")
        lines = [
            format_html(
                "{} by {}, {}: {}{}",
                link(each.agent, each.agent.slug),
                each.let_out_by.username,
                draw_time(each.let_out_at),
                each.reason,
                format_html(
                    ' <a href="{}?agent={}" data-dialog>Put it back…</a>',
                    self.address(row, "put-back"),
                    each.agent.slug,
                )
                if may
                else "",
            )
            for each in rows
        ]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) if lines else "nobody"


def _lift_away(user: User, row: KillSwitch) -> str:
    """Say why a person cannot lift a switch; empty where they can."""
    try:
        may_lift(user, row)
    except Missing:
        return "Administrators and operators of the whole scope lift it."
    except Forbidden as refusal:
        return refusal.detail
    return ""
