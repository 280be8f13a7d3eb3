"""What people do about failures: resolve, reopen, mute, unmute, assign. Each can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django import forms

from controlplane.console.dialogs import Dialog, Done, NoForm, Words
from controlplane.console.registry.fields import FieldDialog, Named, people_known_to
from controlplane.console.undoing import undo_of_failure
from registry.models import AgentVersion
from runs.models import Failure
from runs.operations import Handled, assign_failure, mute_failure, reopen_failure, resolve_failure, unmute_failure
from runs.permissions import may_handle_failure

MUTED_FOR: Final = timedelta(days=7)
MORE: Final = 100


class FailureDialog(FieldDialog):
    """A dialog about a failure."""

    row: Failure

    def check(self) -> None:
        """Check the right."""
        may_handle_failure(self.user, self.row)

    def done(self, said: str, undo: str = "") -> Done:
        """Go back to the failure, where a button takes it back."""
        return Done(said, self.pages.address(self.row), undo)

    def undoable(self, said: str, handled: Handled, at: datetime) -> Done:
        """Go back, with a button that puts everything back for a few seconds."""
        return self.done(said, undo_of_failure(self.row, handled, by=self.user, at=at))


class Resolution(forms.Form):
    """Mended now, or in a version."""

    def __init__(self, *args: Any, failure: Failure, **options: Any) -> None:
        super().__init__(*args, **options)
        rows = AgentVersion.objects.filter(agent=failure.agent).defer("definition").order_by("-number")
        self.fields["version"] = Named(
            rows, name="number", required=False, empty_label="now, in every version", label="Mended in version",
            help_text="Occurrences in earlier versions do not bring it back.",
        )  # fmt: skip


class Resolve(FailureDialog):
    """Call it resolved."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Resolve “{self.row}”?", ("If it happens again, it comes back as regressed.",), "Resolve it")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the agent's versions."""
        return Resolution(data, failure=self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Resolve."""
        now = self.now
        handled = resolve_failure(failure=self.row, version=data["version"], by=self.user, now=now)
        return self.undoable("The failure is resolved. Reopen takes it back.", handled, now)


class Reopen(FailureDialog):
    """Take a resolution back."""

    form_class: ClassVar[type[forms.Form]] = NoForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Reopen “{self.row}”?", ("It counts as open again.",), "Reopen it")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Reopen."""
        reopen_failure(failure=self.row, by=self.user, now=self.now)
        return self.done("The failure is open.")


class Silence(forms.Form):
    """How long."""

    until = forms.ChoiceField(
        label="Until", choices=(("7d", "7 days are over"), ("100", f"it happened {MORE} more times")), initial="7d"
    )


class Mute(FailureDialog):
    """Silence it for a while."""

    form_class: ClassVar[type[forms.Form]] = Silence

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Mute “{self.row}”?", ("It goes on counting, out of sight.",), "Mute it")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Mute."""
        now = self.now
        until = now + MUTED_FOR if data["until"] == "7d" else None
        count = None if until else self.row.count + MORE
        handled = mute_failure(failure=self.row, until=until, until_count=count, by=self.user, now=now)
        return self.undoable("The failure is muted. Unmute takes it back.", handled, now)


class Unmute(FailureDialog):
    """Let it be heard again."""

    form_class: ClassVar[type[forms.Form]] = NoForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Unmute “{self.row}”?", ("It shows among the open ones again.",), "Unmute it")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Unmute."""
        unmute_failure(failure=self.row, by=self.user, now=self.now)
        return self.done("The failure is heard again.")


class Whom(forms.Form):
    """To whom."""

    def __init__(self, *args: Any, people: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["assigned_to"] = Named(people, name="username", required=False, empty_label="nobody", label="To")


class Assign(FailureDialog):
    """Give it to a person."""

    def words(self) -> Words:
        """Name the effect."""
        who = self.row.assigned_to.username if self.row.assigned_to else "nobody"
        return Words(f"Assign “{self.row}”", (f"Now it is with {who}. A new one is open from then on.",), "Assign it")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the people that this person knows."""
        also = [one for one in (self.row.agent.owner, self.row.assigned_to) if one is not None]
        people = people_known_to(self.user, *also)
        return Whom(data, initial={"assigned_to": self.row.assigned_to_id}, people=people)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Assign."""
        now = self.now
        handled = assign_failure(failure=self.row, to=data["assigned_to"], by=self.user, now=now)
        who = data["assigned_to"].username if data["assigned_to"] else "nobody"
        return self.undoable(f"The failure is with {who}.", handled, now)


DIALOGS: dict[str, type[Dialog]] = {
    "resolve": Resolve,
    "reopen": Reopen,
    "mute": Mute,
    "unmute": Unmute,
    "assign": Assign,
}
