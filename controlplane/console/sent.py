"""What whoever came too late had filled in: it is shown with the refusal, so that nobody has to write it twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.forms.boundfield import BoundField

_SHORT: Final = 80


@dataclass(frozen=True, slots=True)
class NotSaved:
    """What was sent in one field.

    Attributes:
        label: of the field.
        sent: as the form shows it.
        there: what is there now, as the form shows it; empty where that is nothing, or long.
    """

    label: str
    sent: str
    there: str


def not_saved(form: forms.Form | None) -> list[NotSaved]:
    """Return what was sent and differs from what is there now, by field; passwords are left out.

    Args:
        form: bound; what is there now is its initial data. None and an empty form have nothing to show.
    """
    if form is None or not form.is_bound:
        return []
    found = []
    for bound in form.visible_fields():
        if isinstance(bound.field.widget, forms.PasswordInput):
            continue
        initial = form.get_initial_for_field(bound.field, bound.name)
        there, sent = _text(bound, bound.field.prepare_value(initial)), _text(bound, bound.value())
        if sent != there:
            found.append(NotSaved(str(bound.label), sent, there if len(there) <= _SHORT else ""))
    return found


def _text(bound: BoundField, value: Any) -> str:
    """Write a value as its form shows it."""
    if isinstance(value, bool) or isinstance(bound.field, forms.BooleanField):
        return "yes" if value else "no"
    values = value if isinstance(value, list | tuple) else [value]
    labels = _labels(bound)
    written = ["" if each is None else str(each) for each in values]
    texts = [labels.get(each, each) for each in written]
    return ", ".join(sorted(texts) if labels else texts).replace("\r\n", "\n").strip()


def _labels(bound: BoundField) -> dict[str, str]:
    """Return the words of each choice, groups included."""
    found: dict[str, str] = {}
    for value, label in getattr(bound.field, "choices", ()):
        within = label if isinstance(label, list | tuple) else [(value, label)]
        found |= {str(key): str(words) for key, words in within}
    return found
