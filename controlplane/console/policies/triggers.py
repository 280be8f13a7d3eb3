"""Triggers and their firings: lists, pages, and what trying on history found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest

from audit.refusals import Refusal
from controlplane.console import formats
from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.lists import Since, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.trigger_dialogs import EditTrigger, NewTrigger, Rearm, TryTrigger
from controlplane.console.registry.others import link
from controlplane.console.tags import draw_state, draw_time
from policies.models import Firing, Trigger
from policies.operations.triggers import definition_of
from policies.permissions import may_rearm, may_watch
from policies.states import FiringState, Measure
from registry.models import User
from registry.states import Role

_MOST_SHOWN: Final = 20
_WRITERS: Final = frozenset({Role.ADMIN, Role.OPERATOR})


@dataclass(frozen=True, slots=True)
class Time:
    """One time that it fired, or would have.

    Attributes:
        measured: what was counted, written.
        until: when it was armed again, or fell; None: not yet.
    """

    subject: str
    at: datetime
    measured: str
    until: datetime | None
    state: str = ""
    mode: str = ""
    paused: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPage:
    """Everything that the page shows.

    Attributes:
        sentence: the trigger in plain words.
        trial: what trying found, one sentence; empty where it was not tried as it is.
        would: when it would have fired, the newest first.
        firings: when it did, the newest first.
    """

    heading: str
    mode: str
    sentence: str
    note: str
    tried_at: datetime | None
    trial: str
    would: tuple[Time, ...]
    firings: tuple[Time, ...]
    firings_url: str
    buttons: tuple[Button, ...]


def read_trigger_page(trigger: Trigger, *, user: User) -> TriggerPage:
    """Read the page.

    Args:
        trigger: with agent and team.
        user: who looks.
    """
    definition = definition_of(trigger)
    rows = Firing.objects.visible_to(user).filter(trigger=trigger).select_related("trigger")[:_MOST_SHOWN]
    return TriggerPage(
        heading=trigger.slug,
        mode=trigger.mode,
        sentence=definition.sentence,
        note=trigger.note,
        tried_at=trigger.tried_at,
        trial=_trial(trigger.trial),
        would=tuple(_would(each, trigger.measure) for each in trigger.trial.get("excursions", ())),
        firings=tuple(_time(firing) for firing in rows),
        firings_url=list_of(Firing, f"q={trigger.slug}"),
        buttons=_buttons(trigger, user),
    )


def _trial(trial: Mapping[str, Any]) -> str:
    if not trial:
        return ""
    since, until = (datetime.fromisoformat(trial[name]) for name in ("since", "until"))
    span = f"from {since:%d %b %Y} to {until:%d %b %Y}"
    if not trial["times"]:
        return f"It would not have fired {span}."
    times = formats.plural(trial["times"], "time")
    return f"It would have fired {times}, for {formats.plural(trial['subjects'], 'subject')}, {span}."


def _would(each: Mapping[str, Any], measure: str) -> Time:
    until = datetime.fromisoformat(each["until"]) if each["until"] else None
    return Time(each["subject"], datetime.fromisoformat(each["at"]), amount(measure, each["highest"]), until)


def _time(firing: Firing) -> Time:
    return Time(
        firing.subject, firing.at, amount(firing.trigger.measure, firing.measured), firing.rearmed_at, firing.state,
        firing.mode, ", ".join(firing.paused), page_of(firing),
    )  # fmt: skip


def amount(measure: str, measured: int) -> str:
    """Write what was counted."""
    if measure == Measure.SPEND:
        return formats.money(measured)
    return formats.plural(measured, "denial" if measure == Measure.DENIALS else "failure")


def _buttons(trigger: Trigger, user: User) -> tuple[Button, ...]:
    away = _why_not(lambda: may_watch(user, agent=trigger.agent, team=trigger.team))
    return (
        Button("Try on history…", page_of(trigger, "try"), "" if trigger.tried_at else "main", away),
        Button("Change the trigger…", page_of(trigger, "edit"), "main" if trigger.tried_at else "", away),
    )


def _why_not(check: Any) -> str:
    try:
        check()
    except Refusal as refusal:
        return refusal.detail or "Operators of the team and administrators do this."
    return ""


class TriggerPages(ConsoleAdmin):
    """Threshold triggers."""

    plural = "Triggers"
    related = ("agent__team", "team")
    page_template: ClassVar[str] = "console/policies/trigger.html"
    dialogs = {"edit": EditTrigger, "try": TryTrigger}
    list_dialogs = {"create": NewTrigger}
    empty = Empty(
        "No triggers yet.", "A trigger warns, or pauses, when denials, failures or spend pass a threshold in a window."
    )
    list_display = ("slug", "standing", "says", "tried")
    list_filter = ("mode", "measure")
    search_fields = ("slug", "agent__slug", "team__slug", "note")

    standing = state_column("trigger", "mode")
    tried = time_column("tried_at", "tried", empty="not as it is now")

    @admin.display(description="fires")
    def says(self, row: Trigger) -> str:
        """Write when it fires."""
        return definition_of(row).condition

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer a new one to whoever writes triggers."""
        if viewer(request).role not in _WRITERS:
            return ()
        return (Button("New trigger…", f"{list_of(Trigger)}do/create/", "main"),)

    def page(self, request: HttpRequest, row: Trigger) -> TriggerPage:
        """Read the page."""
        return read_trigger_page(row, user=viewer(request))


class FiringPages(ConsoleAdmin):
    """When triggers fired."""

    plural = "Firings"
    related = ("trigger", "agent", "rearmed_by")
    dialogs = {"rearm": Rearm}
    empty = Empty("No trigger has fired.", "What fires stands here, and in the audit trail.")
    list_display = ("name", "standing", "trigger_mode", "counted", "stopped", "fired", "rearmed")
    list_filter = ("state", "mode", Since)
    search_fields = ("trigger__slug", "subject")

    standing = state_column("firing")
    trigger_mode = state_column("trigger", "mode")
    fired = time_column("at", "fired")
    rearmed = time_column("rearmed_at", "armed again", empty="not yet")

    @admin.display(description="firing", ordering="id")
    def name(self, row: Firing) -> str:
        """Name trigger and subject."""
        return f"{row.trigger.slug} for {row.subject}"

    @admin.display(description="counted")
    def counted(self, row: Firing) -> str:
        """Write what was counted."""
        return amount(row.trigger.measure, row.measured)

    @admin.display(description="paused")
    def stopped(self, row: Firing) -> str:
        """Name what it paused."""
        return ", ".join(row.paused) or "nobody"

    def page(self, request: HttpRequest, row: Firing) -> Sheet:
        """Show the firing."""
        user = viewer(request)
        buttons: tuple[Button, ...] = ()
        if row.state == FiringState.FIRED:
            away = _why_not(lambda: may_rearm(user, row))
            buttons = (Button("Arm it again…", self.address(row, "rearm"), "main", away),)
        by = row.rearmed_by.username if row.rearmed_by else "the count, which fell"
        return Sheet(
            f"{row.trigger.slug} for {row.subject}",
            (
                Fact("State", draw_state(row.state, "firing")),
                Fact("Trigger", link(row.trigger, row.trigger.slug)),
                Fact("Mode then", draw_state(row.mode, "trigger")),
                Fact("Counted", f"{amount(row.trigger.measure, row.measured)} in {row.window_seconds // 60} minutes"),
                Fact("Threshold then", f"more than {amount(row.trigger.measure, row.more_than)}"),
                Fact("Paused", ", ".join(row.paused) or "nobody"),
                Fact("Fired", draw_time(row.at)),
                Fact("Armed again", draw_time(row.rearmed_at)),
                Fact("Armed again by", by if row.rearmed_at else "nobody yet"),
            ),
            buttons,
        )
