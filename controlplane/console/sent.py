"""What whoever came too late had filled in: it is shown with the refusal, so that nobody has to write it twice."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.boundfield import BoundField


def not_saved(form: forms.Form | None) -> list[tuple[str, str]]:
    """Return label and text of each field that was sent and differs from what is there now; passwords are left out.

    Args:
        form: bound; what is there now is its initial data. None and an empty form have nothing to show.
    """
    if form is None or not form.is_bound:
        return []
    found = []
    for bound in form.visible_fields():
        if isinstance(bound.field.widget, forms.PasswordInput):
            continue
        there = bound.field.prepare_value(form.get_initial_for_field(bound.field, bound.name))
        sent = _text(bound, bound.value())
        if sent != _text(bound, there):
            found.append((str(bound.label), sent))
    return found


def _text(bound: BoundField, value: Any) -> str:
    """Write a value as its form shows it."""
    if isinstance(value, bool) or isinstance(bound.field, forms.BooleanField):
        return "yes" if value else "no"
    values = value if isinstance(value, list | tuple) else [value]
    labels = _labels(bound)
    texts = ["" if each is None else labels.get(str(each), str(each)) for each in values]
    return ", ".join(sorted(texts) if labels else texts).replace("\r\n", "\n").strip()


def _labels(bound: BoundField) -> dict[str, str]:
    """Return the words of each choice, groups included."""
    found: dict[str, str] = {}
    for value, label in getattr(bound.field, "choices", ()):
        within = label if isinstance(label, list | tuple) else [(value, label)]
        found |= {str(key): str(words) for key, words in within}
    return found
