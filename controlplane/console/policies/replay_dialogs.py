"""Asking for a replay, and cancelling one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms

from audit.refusals import IllegalTransition
from controlplane.console.admins import page_of
from controlplane.console.dialogs import Dialog, Done, Words
from controlplane.operating.replaying import request_replay
from controlplane.operating.tasks import tell_replay
from policies.models import Replay, Revision
from policies.operations import cancel_replay
from policies.permissions import may_cancel_replay, may_draft

_SPANS = (("1", "the last day"), ("7", "the last 7 days"), ("30", "the last 30 days"), ("90", "the last 90 days"),
          ("365", "the last year"))  # fmt: skip


class Span(forms.Form):
    """How far back."""

    days = forms.ChoiceField(label="Recorded decisions of", choices=_SPANS, initial="30")


class StartReplay(Dialog):
    """Judge recorded decisions by a revision."""

    form_class = Span
    row: Revision

    def words(self) -> Words:
        """Say that it changes nothing."""
        return Words(
            f"Replay r{self.row.number}?",
            (
                "Recorded decisions that you may see are judged again by this revision, in the background.",
                "Nothing is decided, taken or granted by it.",
            ),
            f"Replay r{self.row.number}",
        )

    def check(self) -> None:
        """Say at once who may."""
        may_draft(self.user)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Ask for it, and lead to its page."""
        now = self.now
        replay = request_replay(
            revision=self.row, since=now - timedelta(days=int(data["days"])), until=now, by=self.user, now=now,
            tell=tell_replay,
        )  # fmt: skip
        return Done("The replay was asked for; this page shows how far it is.", page_of(replay))


class CancelReplay(Dialog):
    """Stop a replay."""

    row: Replay

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Cancel this replay?", ("What came out so far stays readable; it does not go on.",), "Cancel the replay"
        )

    def check(self) -> None:
        """Say at once who may, and whether it is over."""
        may_cancel_replay(self.user, self.row)
        if self.row.is_over:
            raise IllegalTransition(f"The replay is {self.row.state}.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Cancel."""
        cancel_replay(replay=self.row, by=self.user, now=self.now)
        return Done("The replay is cancelled.", self.pages.address(self.row))
