"""Forms of queues: their terms, what they take by themselves, and templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.db.models import QuerySet

from approvals.models import Queue
from approvals.operations import Escalate
from approvals.operations.queues import format_ttl, plain
from approvals.operations.seats import LARGEST, LONGEST_TTL, MOST_AT_ONCE
from approvals.states import Tier
from approvals.templates import TEMPLATES
from controlplane.console.registry.fields import Labels, ManyNamed, Named
from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import CAPABILITIES
from registry.models import Team, User

Rows = QuerySet[Any]
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_TTL = RegexValidator(r"^[1-9][0-9]{0,5}[mhd]\Z", "A number and m, h or d: 30m, 24h, 7d.")
_AUTO: Final = "Rules that say auto leave the choice to these fields; all that are filled must fit."
_LISTS: Final = ("verb", "destination", "data_class", "capability", "risk", "agent", "team")


class Rules(forms.Form):
    """How a queue decides."""

    reviewers = ManyNamed(Team.objects.none(), name="slug")
    people = ManyNamed(User.objects.none(), name="username")
    quorum = forms.IntegerField(
        label="Approvals needed", min_value=1, max_value=20, initial=1, help_text="Of distinct people; one no closes."
    )
    ttl = forms.CharField(
        label="Requests stay open", initial="24h", max_length=7, validators=[_TTL],
        help_text=f"30m, 24h, 7d; at most {format_ttl(LONGEST_TTL)}.",
    )  # fmt: skip
    edits = forms.BooleanField(label="Reviewers may edit the action", required=False, initial=True)
    editor_may_approve = forms.BooleanField(label="Who edited may approve the edit", required=False)
    owner_may_approve = forms.BooleanField(label="The agent's owner may vote", required=False, initial=True)
    bulk_limit = forms.IntegerField(
        label="Approved in one step", min_value=0, max_value=MOST_AT_ONCE, initial=0,
        help_text="Requests of one verb and one agent; 0: one by one.",
    )  # fmt: skip
    confirm_value = forms.CharField(
        label="Type the amount above", required=False, max_length=40, help_text="820.00; empty: nothing is typed."
    )
    confirm_currency = forms.CharField(label="Currency of it", required=False, max_length=3, help_text="USD, EUR …")

    capacity = forms.IntegerField(
        label="Holds at most", min_value=0, max_value=LARGEST, initial=0, required=False,
        help_text="Open requests; what comes while it is full is throttled. 0: any number.",
    )  # fmt: skip
    escalate_after = forms.CharField(
        label="Escalates after", required=False, max_length=7, validators=[_TTL],
        help_text="Before a request expires: 2h. Empty: never.",
    )  # fmt: skip
    escalate_to = Named(Queue.objects.none(), name="slug", required=False)
    take_verb = Labels(label="Takes by itself: verbs", help_text=f"As in rules: email.**. {_AUTO}")
    take_destination = Labels(label="Takes by itself: destinations", help_text="As in rules: email:*@acme.com.")
    take_data_class = Labels(label="Takes by itself: data classes")
    take_capability = forms.MultipleChoiceField(
        label="Takes by itself: capabilities", required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(each, each) for each in CAPABILITIES],
    )  # fmt: skip
    take_risk = forms.MultipleChoiceField(
        label="Takes by itself: risk", required=False, widget=forms.CheckboxSelectMultiple, choices=Tier.choices
    )
    take_value = forms.CharField(label="Takes by itself: amounts above", required=False, max_length=40)
    take_currency = forms.CharField(label="Currency of these", required=False, max_length=3)
    take_agent = Labels(label="Takes by itself: agents")
    take_team = Labels(label="Takes by itself: teams")

    def __init__(self, *args: Any, teams: Rows, people: Rows, others: Rows, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reviewers"] = ManyNamed(
            teams, name="slug", label="Reviewing teams", help_text="Their members may vote."
        )
        self.fields["people"] = ManyNamed(people, name="username", label="Reviewers in person")
        self.fields["escalate_to"] = _others(others)

    def clean(self) -> dict[str, Any]:
        """Read the amounts, which are two fields each, and the escalation, which is two as well."""
        data = dict(super().clean() or {})
        data["over"] = self._money(data, "confirm")
        data["take_over"] = self._money(data, "take")
        if "reviewers" in data and "people" in data and not (data["reviewers"] or data["people"]):
            self.add_error("reviewers", "Choose a team or a person.")
        if bool(data.get("escalate_after")) != bool(data.get("escalate_to")):
            self.add_error("escalate_to", "Both or neither: after how long, and to which queue.")
        data["capacity"] = data.get("capacity") or 0
        return data

    def _money(self, data: dict[str, Any], name: str) -> Money | None:
        value, currency = data.get(f"{name}_value", ""), data.get(f"{name}_currency", "")
        if not value and not currency:
            return None
        try:
            return parse_money({"value": value, "currency": currency})
        except AmountInvalid as error:
            self.add_error(f"{name}_value", error.detail)
            return None


class NewRules(Rules):
    """A new queue."""

    slug = forms.CharField(max_length=64, help_text="Lower-case letters, digits, hyphens. Rules name it; it stays.")
    field_order = ("slug",)


class Templates(forms.Form):
    """Which template, for whom."""

    template = forms.ChoiceField(choices=[(each.name, each.title) for each in TEMPLATES.values()])
    slug = forms.CharField(
        label="Name", max_length=64, required=False, help_text="Empty: the template's. Rules name it; it stays."
    )
    reviewers = ManyNamed(Team.objects.none(), name="slug")
    escalate_to = Named(Queue.objects.none(), name="slug", required=False)

    def __init__(self, *args: Any, teams: Rows, others: Rows, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reviewers"] = ManyNamed(
            teams, name="slug", required=True, label="Reviewing teams", help_text="Their members may vote."
        )
        self.fields["escalate_to"] = _others(others)


def _others(others: Rows) -> Named:
    return Named(
        others, name="slug", required=False, label="Escalates to",
        help_text="Its reviewers may vote as well then; the quorum and the rules stay.",
    )  # fmt: skip


def seconds_of(ttl: str) -> int:
    """Return the seconds of a checked duration."""
    return int(ttl[:-1]) * _UNITS[ttl[-1]]


def escalation_of(data: Mapping[str, Any]) -> Escalate | None:
    """Return the escalation that a form holds."""
    to = data["escalate_to"]
    return Escalate(seconds_of(data["escalate_after"]), to.slug) if to else None


def to_matches(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form says that the queue takes by itself."""
    found: dict[str, Any] = {key: list(data[f"take_{key}"]) for key in _LISTS if data[f"take_{key}"]}
    over: Money | None = data["take_over"]
    if over is not None:
        found["amount_over"] = {"value": plain(over.value), "currency": over.currency}
    return found


def from_matches(matches: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's fields of what a queue takes by itself."""
    over = matches.get("amount_over", {})
    fields = {f"take_{key}": matches[key] for key in _LISTS if key in matches}
    return {**fields, "take_value": over.get("value", ""), "take_currency": over.get("currency", "")}


def takes_in_words(matches: Mapping[str, Any]) -> str:
    """Say what a queue takes by itself."""
    parts = [f"{key.replace('_', ' ')} {' or '.join(matches[key])}" for key in _LISTS if key in matches]
    if "amount_over" in matches:
        parts.append(f"more than {matches['amount_over']['value']} {matches['amount_over']['currency']}")
    return ", ".join(parts) or "nothing: only what a rule sends here by name"
