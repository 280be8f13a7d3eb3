"""What would happen if: one made-up action, judged and never recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import Q
from django.http import HttpResponse

from audit.canonical import loads
from audit.refusals import Missing, invalid
from controlplane.console.dialogs import Dialog, ExactField, MomentField, Words
from controlplane.console.policies import copying
from controlplane.gateway.bodies import AskBody
from controlplane.gateway.trying import Tried, read_action, try_action
from policies.demands import told
from policies.models import Revision
from policies.reasons import CATALOGUE
from policies.states import RevisionState
from registry.models import Agent, User, Verb
from registry.states import Environment

_MOST_CHOICES: Final = 500
_MOST_REVISIONS: Final = 30


class Question(forms.Form):
    """A made-up action."""

    agent = forms.ChoiceField(label="Agent")
    environment = forms.ChoiceField(label="Environment", choices=Environment.choices, initial=Environment.PRODUCTION)
    verb = forms.ChoiceField(label="Verb")
    destination = ExactField(
        label="Destination", max_length=2048, required=False,
        help_text="Leave it out where the verb's destinations stand in the payload.",
    )  # fmt: skip
    units = forms.IntegerField(label="Units", min_value=1, max_value=2**53 - 1, required=False)
    amount_value = forms.CharField(label="Amount", max_length=40, required=False)
    amount_currency = forms.CharField(label="Currency", max_length=3, required=False, help_text="ISO 4217")
    data_classes = forms.CharField(
        label="Data classes", max_length=4000, required=False, help_text="Divided by commas."
    )
    payload = ExactField(
        label="Payload", strip=False, max_length=300_000, required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "cp-code", "spellcheck": "false"}),
        help_text="JSON, as the agent would send it.",
    )  # fmt: skip
    provenance = ExactField(
        label="Provenance", max_length=4000, required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "cp-code", "spellcheck": "false"}),
        help_text="What the agent would say of its values, a pointer and a source on each line: /body web.",
    )  # fmt: skip
    at = MomentField(
        label="Time", required=False, help_text="UTC, for example 2026-11-23 10:00; left out: now.",
        widget=forms.DateTimeInput(format="%Y-%m-%d %H:%M"),
    )  # fmt: skip
    revision = forms.ChoiceField(label="Judged by", required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer what the person may see."""
        super().__init__(*args, **kwargs)
        agents = Agent.objects.visible_to(user).order_by("slug").values_list("slug", flat=True)[:_MOST_CHOICES]
        verbs = Verb.objects.order_by("name").values_list("name", flat=True)[:_MOST_CHOICES]
        _choose(self.fields["agent"], [(slug, slug) for slug in agents])
        _choose(self.fields["verb"], [(name, name) for name in verbs])
        _choose(self.fields["revision"], [("", "what is in force"), *_revisions(user, self.initial.get("revision"))])


def _choose(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def _revisions(user: User, wanted: Any) -> list[tuple[str, str]]:
    rows = Revision.objects.visible_to(user)
    newest = list(rows.exclude(state=RevisionState.DISCARDED).values_list("number", "state")[:_MOST_REVISIONS])
    if wanted and str(wanted).isdecimal() and int(wanted) not in {number for number, _ in newest}:
        newest += rows.filter(Q(number=int(wanted))).values_list("number", "state")
    return [(str(number), f"r{number} ({state})") for number, state in newest]


@dataclass(frozen=True, slots=True)
class TriedPage:
    """The answer, as the page shows it.

    Attributes:
        reasons: sentence, code, policy, rule, and who can change it.
        near: rules that came near.
        test: the question as a test of a policy, in YAML.
    """

    tried: Tried
    reasons: tuple[tuple[str, str, str, str, str], ...]
    limits: tuple[str, ...]
    test: str


class Try(Dialog):
    """Ask what would happen."""

    template: ClassVar[str] = "console/policies/try.html"
    form_class = Question

    def words(self) -> Words:
        """Say that it leaves nothing."""
        return Words(
            "What would happen if…",
            ("One made-up action is judged. Nothing is recorded, taken or granted; limits count as unused.",),
            "Try it",
        )

    def initial(self) -> dict[str, Any]:
        """Take what the address names."""
        given = self.request.GET
        return {name: given[name][:2048] for name in ("agent", "verb", "destination", "revision") if name in given}

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer visible agents, the catalogue's verbs, and revisions."""
        self.form = Question(data, initial=self.initial(), user=self.user)
        return self.form

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Judge, and show the answer below the question."""
        agent = Agent.objects.visible_to(self.user).filter(slug=data["agent"]).first()
        if agent is None:
            raise Missing
        revision = None
        if data["revision"]:
            revision = Revision.objects.visible_to(self.user).filter(number=data["revision"]).first()
        body = read_action(_action(data))
        tried = try_action(
            agent=agent, body=body, environment=data["environment"], revision=revision,
            at=data["at"], now=self.now,
        )  # fmt: skip
        context = {
            "words": self.words(),
            "form": self.form,
            "title": self.words().title,
            "action": self.request.get_full_path(),
            "back": self.back(),
            "may_retry": True,
            "answer": _page(tried, body, agent.slug),
        }
        return self.framed(self.template, context)


def _action(data: Mapping[str, Any]) -> dict[str, Any]:
    action: dict[str, Any] = {"verb": data["verb"]}
    if data["destination"]:
        action["destination"] = data["destination"]
    if data["units"] is not None:
        action["units"] = data["units"]
    if data["amount_value"] or data["amount_currency"]:
        action["amount"] = {"value": data["amount_value"], "currency": data["amount_currency"]}
    if data["data_classes"]:
        action["data_classes"] = [label.strip() for label in data["data_classes"].split(",") if label.strip()]
    claims = [line.split() for line in data["provenance"].splitlines() if line.strip()]
    if claims:
        if any(len(claim) != len(("pointer", "source")) for claim in claims):
            raise invalid("/provenance", "invalid", "Write a JSON pointer and a source on each line: /body web.")
        action["provenance"] = dict(claims)
    if data["payload"].strip():
        action["payload"] = loads(data["payload"].encode("utf-8", "surrogatepass"))
    return action


def _page(tried: Tried, body: AskBody, agent: str) -> TriedPage:
    reasons = tuple(
        (each.text, each.code, each.policy or "", each.rule or "", CATALOGUE[each.code].changed_by)
        for each in tried.verdict.reasons
    )
    limits = tuple(
        f"{demand.policy}, {demand.rule}: {told(demand, demand.units)} of {told(demand, demand.maximum)} "
        f"in {demand.window_seconds} s"
        for demand in tried.verdict.limits
    )
    return TriedPage(
        tried, reasons, limits, copying.as_test(body, agent=agent, effect=tried.verdict.effect, at=tried.at)
    )
