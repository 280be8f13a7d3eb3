"""Undo: for ten seconds after the less final things that people do, a button takes them back.

What has to be known for that travels with the button, signed: which object, who, when, and what it was before. The
operation looks at the clock, the right and the trail again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from django import forms
from django.core import signing
from django.http import Http404, HttpResponse

from audit.refusals import Forbidden, Refusal, invalid
from controlplane.console.admins import page_of, pages_of
from controlplane.console.dialogs import ConsoleDialog, Done, Words
from registry.models import Agent, User
from registry.operations import undo_pause
from registry.permissions import may_operate
from runs.models import Failure
from runs.operations import Handled, undo_failure

_SALT: Final = "controlplane.console.undo"
_LONGEST: Final = 2000


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done.

    Attributes:
        kind: of the object.
        key: of the object, as text.
        by: key of who did it.
        at: the operation's `now`, aware UTC.
        done: of a failure: before and after.
    """

    kind: Literal["failure", "agent"]
    key: str
    by: int
    at: datetime
    done: Handled | None = None


def undo_of_failure(failure: Failure, done: Handled, *, by: User, at: datetime) -> str:
    """Return what takes back something that was just done about a failure."""
    return _signed(Token("failure", str(failure.pk), by.pk, at, done))


def undo_of_pause(agent: Agent, *, by: User, at: datetime) -> str:
    """Return what takes back a pause; empty for whoever may pause and not resume."""
    try:
        may_operate(by, agent)
    except Refusal:
        return ""
    return _signed(Token("agent", str(agent.pk), by.pk, at))


def _signed(token: Token) -> str:
    return signing.dumps(msgspec.to_builtins(token), salt=_SALT, compress=True)


class Signed(forms.Form):
    """What to take back."""

    token = forms.CharField(max_length=_LONGEST, widget=forms.HiddenInput)


class Undo(ConsoleDialog):
    """Take back what was just done; the button stands in the message that said so."""

    http_method_names = ["post"]
    form_class = Signed

    def words(self) -> Words:
        """Name it."""
        return Words("Undo", (), "Undo")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Take it back."""
        token = _read(data["token"])
        if token.by != self.user.pk:
            raise Forbidden("Only who did something takes it back.")
        now = self.now
        row = self._found(token)
        if isinstance(row, Agent):
            undo_pause(agent=row, done_at=token.at, by=self.user, now=now)
            return Done(f"Undone: {row.slug} is active.", page_of(row))
        assert token.done is not None  # _read() saw to it
        undo_failure(failure=row, done=token.done, done_at=token.at, by=self.user, now=now)
        return Done("Undone: the failure is as it was before.", page_of(row))

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Say why not; there is nothing to try again."""
        if refusal is None:
            refusal = invalid("/token", "not_admitted", "This is no undo of ours.")
        return super().answer(None, refusal, status=status)

    def _found(self, token: Token) -> Failure | Agent:
        model: type[Failure | Agent] = Failure if token.kind == "failure" else Agent
        row: Failure | Agent = pages_of(self.site)[model].found(self.request, token.key)
        return row


def _read(text: str) -> Token:
    """Read a token of ours.

    Raises:
        Invalid: it is none, or was changed.
    """
    try:
        token = msgspec.convert(signing.loads(text, salt=_SALT), Token)
    except (signing.BadSignature, msgspec.ValidationError) as error:
        raise invalid("/token", "not_admitted", "This is no undo of ours.") from error
    if token.kind == "failure" and token.done is None:
        raise Http404
    return token
