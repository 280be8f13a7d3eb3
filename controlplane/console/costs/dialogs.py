"""Budgets as forms: created, changed, raised for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django import forms

from audit.refusals import Forbidden, invalid
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, EditDialog, MomentField, Words
from costs.documents import budget_document
from costs.in_force import BUDGETS_LOCK
from costs.models import Budget
from costs.money import format_usd
from costs.operations import save_budget, top_up
from costs.permissions import may_publish_budget
from costs.states import AtLimit, Per
from registry.models import Agent, Team, User
from registry.states import Role

DRAFTERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER})
_MOST_CHOICES = 500
_ORGANISATION = "organisation"


class Terms(forms.Form):
    """What a budget says."""

    per = forms.ChoiceField(label="Per", choices=Per.choices, initial=Per.MONTH)
    zone = forms.CharField(label="Zone", max_length=64, initial="UTC", help_text="IANA name, such as Europe/Berlin.")
    limit_usd = forms.CharField(label="Limit, USD", max_length=24, help_text="For example 200.00.")
    reserve_usd = forms.CharField(
        label="Set aside without an estimate, USD", max_length=24, initial="0.05",
        help_text="For an action whose cost nobody has estimated.",
    )  # fmt: skip
    alert_at = forms.CharField(
        label="Alerts at", max_length=200, initial="50, 80, 100", required=False, help_text="Percents of the limit."
    )
    at_limit = forms.ChoiceField(label="At the limit", choices=AtLimit.choices, initial=AtLimit.DENY)
    active = forms.BooleanField(label="In force", required=False, initial=True)


class NewBudget(Terms):
    """A budget that is not there yet."""

    slug = forms.CharField(label="Name", max_length=64, help_text="Lower-case letters, digits and hyphens.")
    whom = forms.ChoiceField(label="Bounds", help_text="Stays for ever.")
    task = forms.CharField(label="Task", max_length=200, required=False, help_text="Only of an agent.")
    field_order = ("slug", "whom", "task", "limit_usd", "per", "zone", "at_limit", "alert_at", "reserve_usd", "active")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer whom the person may bound."""
        super().__init__(*args, **kwargs)
        choices = [(_ORGANISATION, "the organisation")] if user.role == Role.ADMIN else []
        teams = Team.objects.operated_by(user).order_by("slug").values_list("slug", flat=True)[:_MOST_CHOICES]
        agents = Agent.objects.visible_to(user).order_by("slug").values_list("slug", flat=True)[:_MOST_CHOICES]
        choices += [(f"team:{slug}", f"team {slug}") for slug in teams]
        choices += [(f"agent:{slug}", f"agent {slug}") for slug in agents]
        field = self.fields["whom"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


class More(forms.Form):
    """How much more, until when, and why."""

    amount_usd = forms.CharField(label="Add, USD", max_length=24, help_text="On top of the limit, for example 50.00.")
    until = MomentField(label="Until", help_text="UTC, for example 2026-12-01 00:00.")
    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit trail.",
    )  # fmt: skip


def _terms(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form says as a document."""
    alerts = []
    for text in data["alert_at"].replace("%", "").split(","):
        word = text.strip()
        if word and not (word.isascii() and word.isdigit() and len(word) < 10):
            raise invalid("/alert_at", "wrong_type", f"“{word}” is no whole number of percent.")
        if word:
            alerts.append(int(word))
    return {
        **{name: data[name] for name in ("per", "zone", "limit_usd", "reserve_usd", "at_limit", "active")},
        "alert_at": alerts,
    }


class CreateBudget(Dialog):
    """Write a budget."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "New budget",
            ("In force, it counts from the next request on, with what its present period has spent already.",),
            "Save the budget",
        )

    def check(self) -> None:
        """Say at once who writes budgets."""
        if self.user.role not in DRAFTERS:
            raise Forbidden("Administrators, operators and owners write budgets.")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer whom the person may bound."""
        return NewBudget(data, user=self.user)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save; the operation checks the right."""
        kind, _, name = data["whom"].partition(":")
        document = {**_terms(data), **({_ORGANISATION: True} if kind == _ORGANISATION else {kind: name})}
        if data["task"]:
            document["task"] = data["task"]
        save_budget(slug=data["slug"], document=document, by=self.user, now=self.now, fresh=True)
        return Done(f"The budget {data['slug']} is saved.", list_of(Budget))


class ChangeBudget(EditDialog):
    """Change what a budget says."""

    form_class = Terms
    lock = BUDGETS_LOCK
    row: Budget

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Change the budget {self.row.slug}?",
            ("It counts from the next request on. To raise it for a while only, use Raise.",),
            "Save the budget",
        )

    def initial(self) -> dict[str, Any]:
        """Hold it as it is."""
        document = budget_document(self.row)
        alerts = ", ".join(str(percent) for percent in document["alert_at"])
        return {**document, "alert_at": alerts, "active": self.row.active}

    def check(self) -> None:
        """Say at once who writes budgets."""
        if self.user.role not in DRAFTERS:
            raise Forbidden("Administrators, operators and owners write budgets.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save; the operation checks the right."""
        changed = save_budget(slug=self.row.slug, document=_terms(data), by=self.user, now=self.now)
        return Done("The budget is saved." if changed else "Nothing has changed.", page_of(self.row))


class RaiseBudget(Dialog):
    """Add to a budget for a while."""

    form_class = More
    row: Budget

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Raise {self.row.slug}?",
            (
                f"Its limit stays ${format_usd(self.row.limit_nanousd)} per {self.row.per}.",
                "Until the time you name more counts, from the next request on.",
            ),
            "Raise the budget",
        )

    def check(self) -> None:
        """Say at once who raises it."""
        may_publish_budget(self.user, team=self.row.team, agent=self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Raise."""
        row = top_up(
            budget=self.row, amount_usd=data["amount_usd"], until=data["until"].astimezone(UTC),
            reason=data["reason"], by=self.user, now=self.now,
        )  # fmt: skip
        more = f"${format_usd(row.amount_nanousd)} more"
        return Done(f"{more} counts until {row.until:%d %b %H:%M} UTC.", page_of(self.row))
