"""Dialogs: what a button does is said before it is done.

GET shows the effect and asks for what is needed; POST, with its CSRF token, calls one
operation, which checks the right again. The same page serves as a `<dialog>` over the present
one and, without script, as a page of its own.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views import View

from audit import sql
from audit.refusals import Forbidden, Missing, PreconditionFailed, Problem, Refusal
from controlplane.console.admins import list_of
from controlplane.console.people import viewer
from controlplane.console.sent import not_saved
from controlplane.console.text import named
from registry.models import User
from runs.redaction import redact_text

if TYPE_CHECKING:
    from controlplane.console.admins import ConsoleAdmin

# The script asks with this header for the dialog alone.
FRAGMENT = "X-Console-Dialog"
LONGEST_REASON = 2000
_IN_A_WINDOW: Final = "console/dialog.html"
_PASSWORDS = (forms.PasswordInput,)


class NoForm(forms.Form):
    """Nothing to fill in."""


class ExactField(forms.CharField):
    """What machines execute or compare to the letter: `without_secrets` leaves it alone.

    Nothing is taken out of it, so whoever uses it says why a secret in it is kept nowhere, or refuses it
    (`controlplane.no_secrets`); tests/secrets/test_console_fields.py has the list.
    """


class MomentField(forms.DateTimeField):
    """A time; in UTC where it names no offset."""

    def clean(self, value: Any) -> datetime | None:
        """Read one time.

        Raises:
            ValidationError: it is none, or UTC does not have it: at the ends of the calendar.
        """
        found: datetime | None = super().clean(value)
        try:
            return found and found.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class Reason(forms.Form):
    """Why; required."""

    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit trail.",
    )  # fmt: skip


class OptionalReason(forms.Form):
    """Why; may be left out."""

    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit trail.",
    )  # fmt: skip


def without_secrets(form: forms.Form) -> dict[str, Any]:
    """Return a valid form's data; secrets are taken out of whatever people wrote.

    Passwords and what the page itself put into hidden fields stay as they are, and so does an `ExactField`.
    """
    return {name: _said(form.fields.get(name), value) for name, value in form.cleaned_data.items()}


def _said(field: forms.Field | None, value: Any) -> Any:
    if isinstance(field, ExactField) or (field and (field.widget.is_hidden or isinstance(field.widget, _PASSWORDS))):
        return value
    if isinstance(value, str):
        return redact_text(value)
    return [_said(None, each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Words:
    """What a dialog says.

    Attributes:
        title: the question, naming the object.
        effect: what will be so afterwards, one sentence each.
        submit: verb and object on the button.
        danger: whether the effect is outward or final.
    """

    title: str
    effect: tuple[str, ...]
    submit: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: a sentence, and where to go.

    Attributes:
        undo: what takes it back for a few seconds (`controlplane.console.undoing`), or empty.
    """

    text: str
    url: str
    undo: str = ""


class Subpage(View):
    """What stands below a list, an object or the whole console. It is read only; a `Dialog` is more.

    Attributes:
        pages: whose object it is about.
        of_console: whether it is about the whole console, and `site` stands in the place of `pages`.
        row: the object; None below a list.
        template: of the page; any but the usual one needs the room of a page.
    """

    http_method_names = ["get", "head"]
    template: ClassVar[str] = _IN_A_WINDOW
    # as_view() gives the one or the other.
    pages: ConsoleAdmin = None  # type: ignore[assignment]
    site: AdminSite = None  # type: ignore[assignment]
    of_console: ClassVar[bool] = False
    row: Any = None

    @property
    def user(self) -> User:
        """Who acts."""
        return viewer(self.request)

    @property
    def now(self) -> datetime:
        """The present moment."""
        return timezone.now()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Find the object first: what the person may not see is not there."""
        object_id = kwargs.get("object_id")
        if object_id is not None:
            self.row = self.pages.found(request, object_id)
        elif not self.of_console and not self.pages.has_module_permission(request):
            raise Http404
        if request.method == "GET" and self.template != _IN_A_WINDOW and request.headers.get(FRAGMENT):
            # Nothing fits a window here: the script goes to the page, and nothing is opened twice.
            return HttpResponse()
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # no asynchronous views

    def back(self) -> str:
        """Return where Cancel leads."""
        return self.pages.address(self.row) if self.row is not None else list_of(self.pages.model)

    def framed(self, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
        """Render a page inside the console's frame."""
        return self.pages.render(self.request, template, context, status=status)


class Dialog(Subpage, ABC):
    """One dialog. Subclasses say the words, check, and perform.

    Attributes:
        form_class: what is asked for.
        stale_words: what whoever comes too late may do.
    """

    http_method_names = ["get", "head", "post"]
    stale_words: ClassVar[str] = "Read it as it is now, and do it anew."
    form_class: ClassVar[type[forms.Form]] = NoForm

    @abstractmethod
    def words(self) -> Words:
        """Say what it will do."""

    def check(self) -> None:
        """Raise a refusal where the person may not: the dialog says so before they fill it in."""

    @abstractmethod
    def perform(self, data: Mapping[str, Any]) -> Done | HttpResponse:
        """Call the operation.

        Args:
            data: the form's cleaned data, without secrets.
        """

    def initial(self) -> dict[str, Any]:
        """Return what the form holds at first."""
        return {}

    def make_form(self, data: Any = None) -> forms.Form:
        """Return the form."""
        return self.form_class(data, initial=self.initial())

    def full_form(self, data: Any = None) -> forms.Form:
        """Return the form with what every dialog of its kind asks for."""
        return self.make_form(data)

    def carry_out(self, data: dict[str, Any]) -> Done | HttpResponse:
        """Perform, with what every dialog of its kind does around it."""
        return self.perform(data)

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Show the dialog, or why the person may not."""
        try:
            self.check()
        except Refusal as refusal:
            return self.answer(None, refusal)
        return self.answer(self.full_form(), None)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Do it; a refusal is shown in the dialog, with what was filled in."""
        form = self.full_form(request.POST)
        if not form.is_valid():
            return self.answer(form, None, status=422)
        try:
            done = self.carry_out(without_secrets(form))
        except Refusal as refusal:
            return self.answer(form, refusal)
        if isinstance(done, HttpResponseBase):
            return done
        # The tag stands with the message until it is shown (`unfold/helpers/messages.html`).
        messages.success(request, done.text, extra_tags=f"undo:{done.undo}" if done.undo else "")
        return HttpResponseRedirect(done.url)

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Render the dialog."""
        words, stale = self.words(), isinstance(refusal, PreconditionFailed)
        context: dict[str, Any] = {
            "words": words,
            "form": form,
            "refusal": refusal,
            "problems": _beside_fields(form, refusal.errors) if refusal else (),
            "stale": self.stale_words if stale else "",
            "not_saved": not_saved(form) if stale else (),
            "may_retry": form is not None and not stale and not isinstance(refusal, Forbidden),
            "title": named(words.title),
            "back": self.back(),
            "action": self.request.get_full_path(),
        }
        status = refusal.status if refusal else status
        if self.request.headers.get(FRAGMENT):
            return TemplateResponse(self.request, "console/dialog_body.html", context, status=status)
        return self.framed(self.template, context, status=status)


class EditDialog(Dialog, ABC):
    """A dialog that saves over what its form was filled with, and over nothing that came later.

    Without that, whoever saves a form that was opened before a colleague saved theirs takes back what the colleague
    did, rights and quorums included, and nobody hears of it.

    Attributes:
        lock: the name of the lock that the operation takes first, where it takes one before the row's.
    """

    lock: ClassVar[str] = ""

    def post(self, request: HttpRequest, **rest: Any) -> HttpResponse:
        """Say who may not before saying what is missing."""
        try:
            self.check()
        except Refusal as refusal:
            return self.answer(None, refusal)
        return super().post(request, **rest)

    def full_form(self, data: Any = None) -> forms.Form:
        """Remember what the form was filled with."""
        form = super().full_form(data)
        form.fields["seen"] = forms.CharField(min_length=64, max_length=64, widget=forms.HiddenInput)
        form.initial = {**form.initial, "seen": _digest_of(form.initial)}
        return form

    def carry_out(self, data: dict[str, Any]) -> Done | HttpResponse:
        """Perform, if it still stands as it was read.

        Raises:
            Missing: it is gone.
            PreconditionFailed: somebody saved it since.
        """
        seen = data.pop("seen")
        with sql.writing():
            # Of two who save at once, the second sees what the first wrote.
            if self.lock:
                sql.advisory_lock(self.lock)
            rows = type(self.row).objects.select_for_update(no_key=True).filter(pk=self.row.pk)
            if not list(rows.values_list("pk", flat=True)):
                raise Missing
            self.row.refresh_from_db()
            if _digest_of(self.initial()) != seen:
                raise PreconditionFailed("Somebody saved it after you opened the form. Nothing of yours was saved.")
            return self.perform(data)


def _digest_of(initial: Mapping[str, Any]) -> str:
    held = {name: _in_order(value) for name, value in initial.items()}
    return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()


def _in_order(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list | tuple) else value


def _beside_fields(form: forms.Form | None, problems: Iterable[Problem]) -> list[Problem]:
    """Write each problem of a field beside the field; return the others."""
    if form is None or not form.is_bound:
        return list(problems)
    others = []
    for problem in problems:
        field = problem.pointer.removeprefix("/")
        if field in form.fields:
            form.add_error(field, problem.detail)
        else:
            others.append(problem)
    return others


class ConsoleSubpage(Subpage):
    """A page about the whole console or the person, not about a row."""

    of_console = True

    def back(self) -> str:
        """Lead home."""
        return reverse("admin:index")

    def framed(self, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
        """Render inside the console's frame."""
        frame = self.site.each_context(self.request)
        return TemplateResponse(self.request, template, {**frame, **context}, status=status)


class ConsoleDialog(ConsoleSubpage, Dialog):
    """A dialog about the whole console or the person, not about a row."""
