"""Asking for a replay, and cancelling one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms

from audit.refusals import IllegalTransition
from controlplane.console.admins import page_of
from controlplane.console.dialogs import Dialog, Done, MomentField, Words
from controlplane.operating.replaying import request_replay
from controlplane.operating.tasks import tell_replay
from policies.models import Replay, Revision
from policies.operations import cancel_replay
from policies.operations.replays import LONGEST
from policies.permissions import may_cancel_replay, may_draft

_SPANS = (("1", "the last day"), ("7", "the last 7 days"), ("30", "the last 30 days"), ("90", "the last 90 days"),
          ("365", "the last year"))  # fmt: skip


class Span(forms.Form):
    """How far back, or from when until when."""

    days = forms.ChoiceField(label="Recorded decisions of", choices=_SPANS, initial="30")
    since = MomentField(
        label="Or from", required=False, help_text="Instead of the choice above. UTC, for example 2026-11-01 00:00."
    )
    until = MomentField(
        label="until", required=False,
        help_text=f"UTC, exclusive; empty: now. A replay covers at most {LONGEST.days} days.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Refuse an end without a beginning: nobody could say what it is the end of."""
        data = super().clean() or {}
        if data.get("until") and not data.get("since") and "since" not in self.errors:
            self.add_error("since", "Say from when as well.")
        return data

    @staticmethod
    def period(data: Mapping[str, Any], *, now: datetime) -> tuple[datetime, datetime]:
        """Return the first moment that was asked for, and the first after it."""
        if data["since"]:
            return data["since"], data["until"] or now
        return now - timedelta(days=int(data["days"])), now


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
        since, until = Span.period(data, now=now)
        replay = request_replay(revision=self.row, since=since, until=until, by=self.user, now=now, tell=tell_replay)
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
