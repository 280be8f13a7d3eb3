"""``verbs:`` the catalogue. Each entry replaces the present one as a whole."""

from __future__ import annotations

from typing import Any

from audit.refusals import Invalid
from controlplane.apply.sections.base import Applying, Entries, Part
from registry import operations
from registry.catalogue import parse_verbs
from registry.documents import Problems
from registry.models import Verb


def _check(problems: Problems, at: str, entries: Entries) -> None:
    try:
        parse_verbs(entries, at=at)
    except Invalid as error:
        problems.found.extend(error.errors)


def _read() -> dict[str, Any]:
    return dict(Verb.objects.order_by("name").values_list("name", "spec"))


def _write(entries: Entries, applying: Applying) -> None:
    for name, entry in entries.items():
        with applying.entry(name):
            operations.save_verb(name=name, spec=entry, by=applying.by, now=applying.now, more_follow=True)
    with applying.entry():
        operations.require_one_verb_each()


VERBS = Part("verbs", _check, _read, _write)
