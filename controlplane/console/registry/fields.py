"""Forms of configured things: what an operation refuses stands beside the field that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpResponse

from audit.refusals import Conflict, Forbidden, Invalid, Refusal
from controlplane.console.dialogs import Dialog
from registry.models import Team, User
from registry.states import Role

LINES = forms.Textarea(attrs={"rows": 3})
CODE = {"class": "cp-code", "spellcheck": "false"}


def require_a_team(user: User, otherwise: str) -> None:
    """Let pass whoever operates a team.

    Raises:
        Conflict: an administrator of an installation that has no team yet, who may do it and has to begin elsewhere.
        Forbidden: the others, with the sentence given.
    """
    if Team.objects.operated_by(user).exists():
        return
    if user.role == Role.ADMIN:
        raise Conflict("There is no team yet. Create one first, under Teams.")
    raise Forbidden(otherwise)


class FieldDialog(Dialog):
    """A dialog whose refusals are shown at the fields that their pointers name."""

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Move each defect to its field; what has none stays above the form."""
        if form is None or not form.is_bound or not isinstance(refusal, Invalid) or not refusal.errors:
            return super().answer(form, refusal, status=status)
        places = [(problem.pointer.split("/")[1] if "/" in problem.pointer else "") for problem in refusal.errors]
        if not all(place in form.fields for place in places):
            return super().answer(form, refusal, status=status)
        for place, problem in zip(places, refusal.errors, strict=True):
            form.add_error(place, problem.detail)
        return super().answer(form, None, status=refusal.status)


class Labels(forms.CharField):
    """Short labels, separated by commas or blanks."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("max_length", 4000)
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        """Write a list as people type it."""
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        """Return the labels in the order typed, each once."""
        text = super().clean(value) or ""
        return list(dict.fromkeys(part for part in text.replace(",", " ").split() if part))


class Named(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic when it runs
    """One row of a list, called by its own name."""

    def __init__(self, *args: Any, name: str, **options: Any) -> None:
        self.name = name
        super().__init__(*args, **options)

    def label_from_instance(self, obj: Any) -> str:
        """Write the row's name."""
        return str(getattr(obj, self.name))


class ManyNamed(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not generic when it runs
    """Several rows of a list, called by their own names."""

    def __init__(self, *args: Any, name: str, **options: Any) -> None:
        self.name = name
        options.setdefault("widget", forms.CheckboxSelectMultiple)
        options.setdefault("required", False)
        super().__init__(*args, **options)

    def clean(self, value: Any) -> Any:
        """Return the rows; a key that no column holds is no choice, where SQLite would fail in the query."""
        rows: Any = self.queryset
        key = rows.model._meta.pk
        for one in value if isinstance(value, list | tuple) else ():
            try:
                key.run_validators(key.to_python(one))
            except forms.ValidationError as error:
                message = self.error_messages["invalid_choice"]
                raise forms.ValidationError(message, code="invalid_choice", params={"value": one}) from error
        return super().clean(value)

    def label_from_instance(self, obj: Any) -> str:
        """Write the row's name."""
        return str(getattr(obj, self.name))


def people_known_to(user: User, *also: User) -> Any:
    """Return the active people that a person may name: members of their teams, and whoever is named already.

    Args:
        user: who chooses; administrators choose among all.
        also: people who stay choosable.
    """
    everybody = User.objects.filter(is_active=True).order_by("username")
    if user.sees_everything:
        return (everybody | User.objects.filter(pk__in=[one.pk for one in also])).distinct().order_by("username")
    members = User.objects.filter(is_active=True, teams__in=Team.objects.visible_to(user).values("pk"))
    named = User.objects.filter(pk__in=[user.pk, *(one.pk for one in also)])
    return User.objects.filter(pk__in=[*members.values_list("pk", flat=True), *named.values_list("pk", flat=True)]
    ).order_by("username")  # fmt: skip


def joined(words: Sequence[str], *, empty: str = "none") -> str:
    """Write a list in one line."""
    return ", ".join(words) or empty
