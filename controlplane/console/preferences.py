"""What a person keeps for themselves: saved views, single keys, their clock, who is told as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from audit.refusals import invalid
from controlplane.console.admins import list_of, pages_of
from controlplane.console.changelist import AFTER, BEFORE
from controlplane.console.dialogs import ConsoleDialog, Done, Words
from controlplane.console.people import viewer
from controlplane.console.registry.fields import FieldDialog, Named, people_known_to
from registry.models import SavedView, User
from registry.models.preferences import LONGEST_NAME
from registry.operations import forget_view, save_view, set_clock, set_delegate, set_shortcuts
from registry.preferences import zones


@dataclass(frozen=True, slots=True)
class OwnView:
    """A saved view, on the page of one's own account."""

    name: str
    list: str
    url: str
    forget_url: str


def own_views(user: User, site: AdminSite) -> tuple[OwnView, ...]:
    """Return a person's saved views of lists that the console has, by list and name."""
    lists = {model._meta.label_lower: (model, pages.called) for model, pages in pages_of(site).items()}
    return tuple(
        OwnView(row.name, lists[row.page][1], list_of(lists[row.page][0], row.query),
                reverse("admin:forget_view", args=[row.pk]))
        for row in SavedView.objects.visible_to(user).order_by("page", "name", "id")
        if row.page in lists
    )  # fmt: skip


class ViewName(forms.Form):
    """What the view is called."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="The same name again replaces what it stood for.")


class SaveView(ConsoleDialog):
    """Keep a list's search and filters under a name; the address names the list and the filters."""

    form_class = ViewName
    model: type[Model]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Find the list first: pages that the person does not have are not there."""
        page = request.GET.get("page", "")
        model, pages = next(
            ((model, pages) for model, pages in pages_of(self.site).items() if model._meta.label_lower == page),
            (None, None),
        )
        if model is None or pages is None or not pages.has_module_permission(request):
            raise Http404
        self.model, self.list_name = model, pages.called
        # Written anew, so that what is kept is a query string and nothing else.
        pairs = parse_qsl(request.GET.get("query", ""), keep_blank_values=True)
        self.query = urlencode([(name, value) for name, value in pairs if name not in {AFTER, BEFORE}])
        return super().dispatch(request, *args, **kwargs)

    def words(self) -> Words:
        """Say what is kept."""
        shown = ", ".join(f"{name}: {value}" for name, value in parse_qsl(self.query)) or "the whole list"
        return Words(f"Save a view of {self.list_name}", (f"It shows {shown}. Only you see it.",), "Save the view")

    def back(self) -> str:
        """Lead back to the list as it was."""
        return list_of(self.model, self.query)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        page = self.model._meta.label_lower
        view = save_view(page=page, name=data["name"], query=self.query, by=self.user, now=self.now)
        return Done(f"The view “{view.name}” is saved.", self.back())


class ForgetView(ConsoleDialog):
    """Forget a saved view."""

    row: SavedView

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Find the person's own view; another's is not there."""
        row = SavedView.objects.visible_to(viewer(request)).filter(pk=kwargs.pop("view_id")).first()
        if row is None:
            raise Http404
        self.row = row
        return super().dispatch(request, *args, **kwargs)

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Forget the view “{self.row.name}”?", ("The rows themselves stay as they are.",), "Forget it")

    def back(self) -> str:
        """Lead back to the list."""
        model = next((model for model in pages_of(self.site) if model._meta.label_lower == self.row.page), None)
        return list_of(model) if model else super().back()

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Forget it."""
        back = self.back()
        view = forget_view(view_id=self.row.pk, by=self.user, now=self.now)
        return Done(f"The view “{view.name}” is forgotten.", back)


class Keys(forms.Form):
    """Whether single keys do something."""

    shortcuts = forms.BooleanField(
        label="Single keys do something", required=False,
        help_text="For example g then a opens Approvals, j and k walk through a list. They never act inside fields. "
        "Ctrl K and Ctrl E work either way.",
    )  # fmt: skip


class Shortcuts(ConsoleDialog):
    """Turn single-key shortcuts on or off for oneself."""

    form_class = Keys

    def words(self) -> Words:
        """Name the effect."""
        return Words("Keyboard shortcuts", ("This is about your account alone, in every browser.",), "Save")

    def initial(self) -> dict[str, Any]:
        """Hold the present choice."""
        return {"shortcuts": self.user.shortcuts}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        set_shortcuts(on=data["shortcuts"], by=self.user, now=self.now)
        return Done(f"Single-key shortcuts are {'on' if data['shortcuts'] else 'off'}.", self.back())


class OwnDialog(ConsoleDialog, FieldDialog):
    """A dialog about oneself; it leads back to one's own account."""

    def back(self) -> str:
        """Lead to the account."""
        return reverse("account")


class ClockAndQuiet(forms.Form):
    """Where one's clock hangs, and when one wants to be left alone."""

    zone = forms.ChoiceField(
        label="Time zone", help_text="Times in the console are written by its clock. The audit trail stays in UTC."
    )
    quiet_from = forms.TimeField(
        label="Quiet from", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )  # fmt: skip
    quiet_until = forms.TimeField(
        label="Quiet until", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="By the same clock. Before “from”, it is a time of the next morning. Leave both empty for never.",
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["zone"].choices = [(name, name.replace("_", " ")) for name in zones()]  # type: ignore[attr-defined]


class Clock(OwnDialog):
    """Set one's own time zone and quiet hours."""

    form_class = ClockAndQuiet

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Your clock and quiet hours",
            ("In quiet hours messages wait until the hours are over. What needs you still stands on Home.",),
            "Save",
        )

    def initial(self) -> dict[str, Any]:
        """Hold the present choice."""
        return {"zone": self.user.zone, "quiet_from": self.user.quiet_from, "quiet_until": self.user.quiet_until}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        changed = set_clock(**data, by=self.user, now=self.now)
        return Done("Your clock and quiet hours are saved." if changed else "Nothing was changed.", self.back())


_MOMENT = {"type": "datetime-local"}
_FIRST_YEAR, _LAST_YEAR = 1970, 9999


class StandIn(forms.Form):
    """Who is told as well, and when."""

    def __init__(self, *args: Any, people: Any, zone: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["to"] = Named(people, name="username", required=False, empty_label="nobody", label="Delegate")
        for name, label in (("begins", "From"), ("ends", "Until")):
            self.fields[name] = forms.DateTimeField(
                label=label, required=False, help_text=f"By the clock of {zone}.",
                widget=forms.DateTimeInput(attrs=_MOMENT, format="%Y-%m-%dT%H:%M"),
            )  # fmt: skip


class Delegate(OwnDialog):
    """Have somebody else told as well for a time."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Your delegate",
            (
                "What is sent to you is sent to them as well, in that time, as far as they may see it.",
                "It gives them no right: they vote only where they may themselves.",
            ),
            "Save",
        )

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the people that this person knows."""
        user, zone = self.user, ZoneInfo(self.user.zone)
        also = [user.delegate] if user.delegate else []
        people = people_known_to(user, *also).exclude(pk=user.pk)
        begin, end = user.delegate_from or self.now, user.delegate_until or self.now + timedelta(days=7)
        initial = {"to": user.delegate_id, "begins": begin.astimezone(zone), "ends": end.astimezone(zone)}
        shown = {name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
                 for name, value in initial.items()}  # fmt: skip
        return StandIn(data, initial=shown, people=people, zone=user.zone)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        to: User | None = data["to"]
        begins, ends = (_instant(data[name], self.user.zone) for name in ("begins", "ends"))
        changed = set_delegate(to=to, begins=begins, ends=ends, by=self.user, now=self.now)
        said = f"{to.username} is told as well." if to else "Nobody else is told."
        return Done(said if changed else "Nothing was changed.", self.back())


def _instant(typed: datetime | None, zone: str) -> datetime | None:
    """Read what was typed by the person's own clock; Django read it as UTC.

    Raises:
        Invalid: no clock shows that in years to come.
    """
    if typed is None:
        return None
    if not _FIRST_YEAR < typed.year < _LAST_YEAR:
        raise invalid("/ends", "out_of_range", "These are times in the years around now.")
    return typed.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
