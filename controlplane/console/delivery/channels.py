"""A person's own notifications: where they are told, and of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.dialogs import Dialog, Done, Words
from controlplane.console.lists import time_column
from controlplane.console.registry.fields import FieldDialog
from controlplane.console.tags import draw_state, draw_time, make_visible
from controlplane.delivery import operations
from controlplane.delivery.models import Channel, Delivery
from controlplane.delivery.notices import NOTICES

_KINDS = [(word, notice.title) for word, notice in NOTICES.items()]
_SHOWN = 10


class KindsForm(forms.Form):
    """What a channel is told."""

    kinds = forms.MultipleChoiceField(
        label="Told of", choices=_KINDS, required=False, widget=forms.CheckboxSelectMultiple,
        help_text="Nothing ticked: all of it. Quiet hours hold back what is not urgent.",
    )  # fmt: skip


class ChannelForm(KindsForm):
    """A new channel."""

    name = forms.CharField(max_length=80, help_text="Your own word for it.")
    address = forms.CharField(
        max_length=1000, widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="mailtos://user:password@host?to=you, slack://…, Slack's or Teams' own https:// address, jsons://… "
        "or ntfys://… It is kept encrypted and not shown again.",
    )  # fmt: skip
    field_order = ("name", "address", "kinds")


class AddChannel(FieldDialog):
    """Add a channel."""

    form_class = ChannelForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Be told elsewhere",
            (
                "You are told of what concerns you: what waits for your vote, what your agents run into.",
                "Messages hold a link, never what was asked; nothing is decided by opening it.",
            ),
            "Add the channel",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Add it."""
        channel = operations.add_channel(
            name=data["name"], address=data["address"], kinds=data["kinds"], by=self.user, now=self.now
        )
        return Done("The channel is added. Send a test to see that it works.", page_of(channel))


class ChooseKinds(FieldDialog):
    """Choose what it is told."""

    form_class = KindsForm
    row: Channel

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"What {self.row.name} is told", ("It holds from now on.",), "Save the choice")

    def initial(self) -> dict[str, Any]:
        """Hold the present choice."""
        return {"kinds": self.row.kinds}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        operations.choose_kinds(channel=self.row, kinds=data["kinds"], by=self.user, now=self.now)
        return Done("The choice is saved.", self.back())


class TryChannel(Dialog):
    """Send a test."""

    row: Channel

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Send a test to {self.row.name}?", ("It arrives within seconds.",), "Send a test")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Write it down."""
        operations.try_channel(channel=self.row, by=self.user, now=self.now)
        return Done("The test is on its way: load this page again to see what came of it.", self.back())


class RemoveChannel(Dialog):
    """Remove a channel."""

    row: Channel

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Remove {self.row.name}?",
            ("You are not told there any more; what still waits for it is not sent.",),
            "Remove the channel",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Remove it."""
        operations.remove_channel(channel=self.row, by=self.user, now=self.now)
        return Done("The channel is removed.", list_of(Channel))


class ChannelPages(ConsoleAdmin):
    """One's own channels."""

    plural = "Notifications"
    roles = EVERYBODY
    dialogs = {"kinds": ChooseKinds, "test": TryChannel, "remove": RemoveChannel}
    list_dialogs = {"create": AddChannel}
    empty = Empty("You are told in the console alone.", "Add a channel to be told by mail, Slack, Teams or elsewhere.")
    list_display = ("name", "scheme", "tells", "added")
    list_filter = ("scheme",)
    search_fields = ("name", "scheme")

    added = time_column("created_at", "added")

    @admin.display(description="told of")
    def tells(self, row: Channel) -> str:
        """Name what it is told."""
        return _told(row)

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to add one."""
        return (Button("Add a channel…", f"{list_of(Channel)}do/create/", "main"),)

    def page(self, request: HttpRequest, row: Channel) -> Sheet:
        """Show the channel and what it was told lately."""
        return Sheet(
            f"Notifications to {row.name}",
            (
                Fact("Kind", row.scheme),
                Fact("Address", f"…{row.hint}", code=True),
                Fact("Told of", _told(row)),
                Fact("Added", draw_time(row.created_at)),
                Fact("Latest", _latest(row)),
            ),
            (
                Button("Send a test…", self.address(row, "test"), "main"),
                Button("Choose what it is told…", self.address(row, "kinds")),
                Button("Remove…", self.address(row, "remove"), "danger"),
            ),
        )


def _told(row: Channel) -> str:
    return "; ".join(NOTICES[word].title for word in row.kinds if word in NOTICES) or "all that concerns me"


def _latest(row: Channel) -> SafeString | str:
    lines = (
        (each.kind, draw_state(each.state, "delivery"), draw_time(each.created_at), make_visible(each.last_error))
        for each in Delivery.objects.filter(channel=row).order_by("-id")[:_SHOWN]
    )
    return format_html_join("", "<div>{} {} {} {}</div>", lines) or "nothing yet"
