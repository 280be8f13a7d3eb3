"""Verbs: created and changed in a form, and tried on a pasted payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpResponse

from controlplane.console.admins import page_of
from controlplane.console.dialogs import Done, EditDialog, ExactField, NoForm, Words
from controlplane.console.registry.agent_work import json_object
from controlplane.console.registry.fields import CODE, FieldDialog, Labels
from registry import permissions
from registry.catalogue import Mismatch, extract, parse_verb
from registry.models import Verb
from registry.operations import revert_verb, save_verb
from registry.operations.verbs import VERBS_LOCK
from registry.permissions import found
from registry.states import Capability


class Entry(forms.Form):
    """What a verb is, and where its facts stand in a payload."""

    capability = forms.ChoiceField(choices=Capability.choices)
    destination = forms.CharField(
        label="Destinations stand at", required=False, max_length=500,
        help_text="JSON pointer into the payload; * is every element: /to/*. Empty: the declared destination counts.",
    )  # fmt: skip
    destination_as = forms.CharField(
        label="Kind of destination", required=False, max_length=32,
        help_text="email, account, slack … for bare values; empty: they are whole.",
    )  # fmt: skip
    units = forms.CharField(
        label="Units stand at", required=False, max_length=500,
        help_text="A JSON pointer, or count for the number of destinations. Empty: the declared number counts.",
    )  # fmt: skip
    amount = forms.CharField(
        label="Amount stands at", required=False, max_length=500,
        help_text="A JSON pointer to {value, currency}. Empty: the declared amount counts.",
    )  # fmt: skip
    data_classes = Labels(label="Data classes", help_text="Labels that every such action carries: pii, financial …")
    tools = forms.CharField(
        label="Tools of agents", required=False, max_length=50_000, widget=forms.Textarea(attrs={"rows": 4, **CODE}),
        help_text="One a line, as the framework names it; behind a space its server, where it has one. "
        "Their calls are asked as this verb.",
    )  # fmt: skip
    review = forms.CharField(
        label="Queue that looks at each", required=False, max_length=64,
        help_text="Every such action is held for it, whatever policies allow. Empty: the policies alone decide.",
    )  # fmt: skip


class NewEntry(Entry):
    """A new verb."""

    name = forms.CharField(max_length=120, help_text="Dotted lower-case words: email.send. It never changes.")
    field_order = ("name",)


def to_spec(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a catalogue entry of what a form holds."""
    spec: dict[str, Any] = {"capability": data["capability"]}
    if data["destination"] or data["destination_as"]:
        kind = {"as": data["destination_as"]} if data["destination_as"] else {}
        spec["destination"] = {"at": data["destination"], **kind}
    if data["units"]:
        spec["units"] = "count" if data["units"] == "count" else {"at": data["units"]}
    if data["amount"]:
        spec["amount"] = {"at": data["amount"]}
    if data["data_classes"]:
        spec["data_classes"] = data["data_classes"]
    if tools := [_tool(line.split()) for line in data["tools"].splitlines() if line.strip()]:
        spec["tools"] = tools
    if data["review"]:
        spec["review"] = data["review"]
    return spec


def _tool(words: list[str]) -> str | dict[str, str]:
    # More than two words are a name that the catalogue refuses.
    return {"tool": words[0], "server": words[1]} if len(words) == 2 else " ".join(words)


def from_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form holds of a catalogue entry."""
    destination, units = spec.get("destination", {}), spec.get("units", "")
    return {
        "capability": spec.get("capability", ""),
        "destination": destination.get("at", ""),
        "destination_as": destination.get("as", ""),
        "units": units if isinstance(units, str) else units.get("at", ""),
        "amount": spec.get("amount", {}).get("at", ""),
        "data_classes": list(spec.get("data_classes", ())),
        "tools": "\n".join(
            tool if isinstance(tool, str) else f"{tool['tool']} {tool['server']}" for tool in spec.get("tools", ())
        ),
        "review": spec.get("review", ""),
    }


class VerbDialog(FieldDialog):
    """A dialog of whoever changes the catalogue."""

    def check(self) -> None:
        """Check the right."""
        permissions.may_change_verbs(self.user)


class CreateVerb(VerbDialog):
    """Add a verb."""

    form_class = NewEntry

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Add a verb",
            ("Agents may ask for it once a policy allows it. What its pointers extract counts, not what agents say.",),
            "Add the verb",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Add it."""
        name = data["name"]
        save_verb(name=name, spec=to_spec(data), by=self.user, now=self.now, fresh=True)
        return Done(f"{name} is in the catalogue.", page_of(found(Verb.objects.filter(name=name))))


class EditVerb(EditDialog, VerbDialog):
    """Change a verb's entry."""

    form_class = Entry
    lock = VERBS_LOCK
    row: Verb

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit the verb {self.row.name}",
            (
                "It binds every agent from the next request on.",
                "What is held or granted already is judged by the new entry when it is redeemed.",
            ),
            "Save the verb",
        )

    def initial(self) -> dict[str, Any]:
        """Hold the present entry."""
        return from_spec(self.row.spec)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        changed = save_verb(name=self.row.name, spec=to_spec(data), by=self.user, now=self.now)
        return Done("The verb is saved." if changed else "Nothing was changed.", page_of(self.row))


class RevertVerb(VerbDialog):
    """Bring an earlier entry back."""

    form_class = NoForm
    row: Verb

    @property
    def record(self) -> Any:
        """The record of its history that the address names.

        Raises:
            Http404: there is none of this verb.
        """
        given = self.request.GET.get("to", "")
        rows = Verb.history.filter(id=self.row.pk)
        record = rows.filter(history_id=int(given)).first() if given.isdecimal() and len(given) < 18 else None
        if record is None:
            raise Http404
        return record

    def words(self) -> Words:
        """Say what would come back."""
        return Words(
            f"Bring back an earlier entry of {self.row.name}?",
            (f"It would be: {self.record.spec}", "It binds every agent from the next request on."),
            "Bring it back",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Revert."""
        changed = revert_verb(verb=self.row, record_id=self.record.history_id, by=self.user, now=self.now)
        return Done("The earlier entry is back." if changed else "Nothing was changed.", page_of(self.row))


@dataclass(frozen=True, slots=True)
class Sample:
    """A declaration that says nothing but its payload."""

    payload: object
    capability: str | None = None
    units: int | None = None
    amount: None = None
    data_classes: frozenset[str] = frozenset()


class Pasted(forms.Form):
    """A payload to try."""

    payload = ExactField(
        strip=False, max_length=256_000, widget=forms.Textarea(attrs={"rows": 10, **CODE}),
        help_text="A JSON object, as an agent would send it. It is not kept.",
    )  # fmt: skip


class Try(FieldDialog):
    """Show what a verb takes from a payload; nothing is changed or kept."""

    form_class = Pasted
    row: Verb

    def words(self) -> Words:
        """Say what it shows."""
        return Words(
            f"What does {self.row.name} take from a payload?",
            ("Paste one; you see what would count. Nothing is asked, and nothing is kept.",),
            "Show what it takes",
        )

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Extract and show."""
        taken = extract(parse_verb(self.row.name, self.row.spec), Sample(json_object(data["payload"])))
        missed = taken if isinstance(taken, Mismatch) else None
        context = {
            "title": f"What {self.row.name} takes",
            "taken": None if missed else taken,
            "missed": missed,
            "declared": None if missed else taken.destinations is None,  # type: ignore[union-attr]
            "payload": data["payload"],
            "back": page_of(self.row),
            "again": page_of(self.row, "try"),
        }
        return self.framed("console/registry/verb_try.html", context)
