"""What people type into the console: secrets are taken out of every field, but for those that are listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.http import QueryDict

from controlplane.console.dialogs import ExactField, Reason, without_secrets
from tests.matrix.asking import Asker
from tests.matrix.conftest import _asker, asker
from tests.matrix.routes import Route, routes
from tests.matrix.rows import OWN, PEOPLE, Row
from tests.matrix.table import TABLE
from tests.secrets.canaries import FORMS, Canary
from tests.secrets.carrying import carry, kept

__all__ = ["_asker", "asker"]

ROOT = Path(__file__).resolve().parents[2]
CANARY = next(each for each in FORMS if each.name == "GitHub token")
TEXT = f"why {CANARY.text}"

# Fields from which nothing is taken, by form. There is no other list.
EXACT: dict[str, str] = {
    "approvals.dialogs.Editing.payload": "the exact bytes that are executed, kept as payload alone (semantics 3)",
    "approvals.dialogs.Editing.destination": "a part of those bytes",
    "approvals.glass.Overruling.destination": "compared with the request's, and not kept",
    "delivery.dialogs.EndpointForm.url": "secrets are refused",
    "delivery.dialogs.ChangedEndpointForm.url": "the same field",
    "delivery.dialogs.NewEndpointForm.url": "the same field",
    "policies.editing.Document.document": "the YAML reader refuses secrets",
    "policies.editing.Redraft.document": "the same field",
    "policies.trying.Question.destination": "tried, and not kept",
    "policies.trying.Question.payload": "tried, and not kept",
    "policies.trying.Question.provenance": "tried, and not kept",
    "registry.agent_work.Parameters.parameters": "secrets are refused",
    "registry.agent_work.NewVersion.definition": "secrets are refused",
    "registry.verb_forms.Pasted.payload": "tried, and not kept",
}
# Who reads a form past the dialogs, and what of it.
PAST: dict[str, str] = {
    "controlplane/api/authentication.py": "takes the body's form away from Django's CSRF check",
    "controlplane/console/accounts/entrance.py": "where to go after the log-in",
    "controlplane/console/accounts/external.py": "where to go after the log-in",
    "controlplane/console/accounts/home.py": "the browser's answer; the passkey's name is redacted there",
    "controlplane/console/accounts/people.py": "the name of a closed log-in, which is looked up",
    "controlplane/console/approvals/bulk.py": "which rows were ticked",
    "controlplane/console/costs/prices.py": "gives the dialog its form, with the model that is priced",
    "controlplane/console/dialogs.py": "the dialogs themselves",
    "controlplane/console/policies/editing.py": "the document and its forms: the YAML reader refuses secrets",
    "controlplane/console/registry/kill_dialogs.py": "what will be stopped, to show it before",
    "controlplane/debugging.py": "shows it without secrets",
}


def _forms() -> Iterator[type[forms.Form]]:
    waiting: list[type[forms.Form]] = [forms.Form]
    while waiting:
        for form in waiting.pop().__subclasses__():
            waiting.append(form)
            if form.__module__.startswith("controlplane."):
                yield form


def test_every_field_that_is_left_alone_is_listed_with_its_reason() -> None:
    assert routes(), "every page is imported"
    found = {
        f"{form.__module__.removeprefix('controlplane.console.')}.{form.__name__}.{name}"
        for form in _forms()
        for name, field in form.base_fields.items()
        if isinstance(field, ExactField)
    }
    assert found - set(EXACT) == set(), "say why nothing is taken out of them"
    assert set(EXACT) - found == set()


def test_forms_are_read_by_dialogs() -> None:
    """Whoever reads ``request.POST`` beside them is listed: there nothing is taken out."""
    texts = {path: path.read_text() for path in (ROOT / "controlplane").rglob("*.py")}
    found = {str(path.relative_to(ROOT)) for path, text in texts.items() if re.search(r"\.POST\b", text)}
    assert found - set(PAST) == set(), "read it through a form of a Dialog, or redact it and say so here"
    assert set(PAST) - found == set()


class _New(forms.Form):
    """A new form whose author did not think of secrets."""

    remark = forms.CharField()
    labels = forms.MultipleChoiceField(choices=[(TEXT, "x")])
    exact = ExactField()
    seen = forms.CharField(widget=forms.HiddenInput)
    password = forms.CharField(widget=forms.PasswordInput)


def test_a_new_field_is_redacted_unless_it_says_otherwise() -> None:
    form = _New(QueryDict("&".join(f"{name}={TEXT}" for name in _New.base_fields)))
    assert form.is_valid(), form.errors
    told = {name for name, value in without_secrets(form).items() if CANARY.core in str(value)}
    assert told == {"exact", "seen", "password"}


def test_a_dialog_that_hands_on_what_was_typed_is_caught() -> None:
    """The naive twin: the form's own data."""
    form = Reason({"reason": TEXT})
    assert form.is_valid()
    assert CANARY.core in form.cleaned_data["reason"]
    assert without_secrets(form)["reason"] == "why [redacted]"


def _typed(form: forms.BaseForm) -> list[str]:
    """Return the fields into which people write."""
    return [
        name
        for name, field in form.fields.items()
        if isinstance(field, forms.CharField)
        and not field.widget.is_hidden
        and not isinstance(field, ExactField)
        and not isinstance(field.widget, forms.PasswordInput)
    ]


@dataclass(frozen=True, slots=True)
class Typing:
    """One field of a dialog, into which somebody types.

    Attributes:
        asker: who asks.
        route: of the dialog.
        row: what the matrix says of it.
        who: somebody who may.
        filled: what the other fields hold.
        field: its name in the form.
    """

    asker: Asker
    route: Route
    row: Row
    who: str
    filled: dict[str, Any]
    field: str

    def send(self, text: str, planted: Sequence[Canary], found: dict[str, set[str]]) -> int:
        """Send the form, take back what it did, and return the status; `found` is told what was kept of secrets."""
        places: set[str] = set()
        answer = self.asker.ask(
            self.route, self.row, "POST", self.who, OWN, body={**self.filled, self.field: text},
            after=lambda: places.update(kept(planted)),
        )  # fmt: skip
        assert answer.status_code < 500, self
        if places:
            found.setdefault(f"{self.route.path} {self.field}", set()).update(places)
        return int(answer.status_code)


def _fields(asker: Asker) -> Iterator[Typing]:
    """Yield every field of every dialog into which people write."""
    for route in routes():
        row = TABLE.get(route.path)
        if row is None or row.door != "console" or not row.fills:
            continue
        may = sorted((row.rules["POST"].may & row.rules["GET"].may) - {"approver"} & set(PEOPLE))
        thing = asker.ask(route, row, "GET", may[0], OWN) if may else None
        form = thing.context.get("form") if thing is not None and thing.context else None
        if not isinstance(form, forms.BaseForm):
            continue
        filled = asker.fill(route, row, OWN)
        for name in _typed(form):
            yield Typing(asker, route, row, may[0], filled, form.add_prefix(name))


@pytest.mark.slow
@pytest.mark.once
def test_a_secret_in_any_field_of_any_dialog_is_kept_nowhere(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, set[str]] = {}
    statuses = [each.send(TEXT, [CANARY], found) for each in _fields(asker)]
    accepted = sum(status < 400 for status in statuses)
    with capsys.disabled():
        print(f"\nsecrets in the console's fields: {len(statuses)} tried, {accepted} accepted without them")
    assert found == {}
    assert accepted > 30


@pytest.mark.long(minutes=1)
@pytest.mark.once
def test_secrets_of_every_form_in_any_field_of_any_dialog_are_kept_nowhere(
    asker: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, set[str]] = {}
    taken = [carry(partial(each.send, planted=FORMS, found=found)) for each in _fields(asker)]
    whole = taken.count(len(FORMS))
    with capsys.disabled():
        print(f"\nsecrets of every form: {len(taken)} fields of the console, {whole} took all, {taken.count(0)} none")
    assert found == {}
    assert whole > 30
