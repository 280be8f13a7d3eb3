"""Kill switches: the scope first, then the reason; lifting; letting one agent out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpResponse

from audit.refusals import Missing, Refusal
from controlplane.console import counting
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import Dialog, Done, OptionalReason, Reason, Words
from controlplane.console.pausing import SENTENCE
from controlplane.console.registry.fields import FieldDialog, Named
from registry import permissions
from registry.models import Agent, KillExemption, KillSwitch, Team
from registry.operations import kill, let_out, lift, put_back
from registry.operations.exemptions import covers
from registry.states import AgentState, KillScope, Role
from runs.models import Run

_MOST = 1_000


def agents_in(scope: str, value: str) -> QuerySet[Agent]:
    """Return the agents of a scope that are not retired."""
    agents = Agent.objects.exclude(state=AgentState.RETIRED).select_related("team")
    if scope == KillScope.ALL:
        return agents
    switch = KillSwitch(scope=scope, value=value)
    return agents.filter(pk__in=[agent.pk for agent in agents if covers(switch, agent)])


def reach(scope: str, value: str) -> str:
    """Say how much a switch stops: ``38 agents, 12 running``."""
    agents = agents_in(scope, value)
    runs = Run.objects.open().filter(agent__in=agents.values("pk"))
    stopped, running = counting.count_up_to((agents, runs), _MOST)
    noun = "agent" if stopped == 1 else "agents"
    return f"{counting.written(stopped, _MOST)} {noun}, {counting.written(running, _MOST)} running"


class Where(forms.Form):
    """Whom to stop."""

    scope = forms.ChoiceField(choices=KillScope.choices)
    value = forms.CharField(
        label="Agent, team or tag", required=False, max_length=120, help_text="Its name. Empty only for every agent."
    )

    def clean(self) -> dict[str, Any]:
        """Ask for a name, except where every agent is meant."""
        data = super().clean() or {}
        if data.get("scope", KillScope.ALL) != KillScope.ALL and not data.get("value"):
            self.add_error("value", "Write which one. For every agent, choose that as the scope.")
        return data


class Why(Reason):
    """Why, and for everything the sentence that nobody types by accident."""

    scope = forms.ChoiceField(choices=KillScope.choices, widget=forms.HiddenInput)
    value = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)
    confirmation = forms.CharField(
        label=f"Type: {SENTENCE}", required=False, max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def __init__(self, *args: Any, everything: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not everything:
            del self.fields["confirmation"]

    def clean_confirmation(self) -> str:
        """Ask for the sentence itself."""
        given: str = self.cleaned_data["confirmation"]
        if given.strip() != SENTENCE:
            raise forms.ValidationError(f"To stop every agent, type: {SENTENCE}")
        return given


class Throw(FieldDialog):
    """Throw a kill switch over any scope: first whom, then, with the numbers in sight, why."""

    form_class = Where
    asks_whom = True

    @property
    def scope(self) -> tuple[str, str]:
        """The scope and its value, as posted."""
        return self.request.POST.get("scope", ""), self.request.POST.get("value", "").strip()

    @property
    def is_second(self) -> bool:
        """Whether the reason was asked for already."""
        return "reason" in self.request.POST

    def words(self) -> Words:
        """Name the effect; how much it stops once the scope is known."""
        scope, value = self.scope
        if self.asks_whom or scope not in KillScope.values:
            return Words(
                "Throw a kill switch?",
                (
                    "Every agent of the scope is refused at its next ask or redeem, until the switch is lifted.",
                    "Next you see how much it stops, before anything is stopped.",
                ),
                "Show what it stops",
            )
        whom = f"{KillScope(scope).label.lower()} {value}".strip()
        return Words(
            f"Stop {whom}?",
            (
                f"{reach(scope, value)}: each is refused at its next ask or redeem, until the switch is lifted.",
                "Agents that join the scope later are stopped too. Approvals stay open and keep expiring.",
            ),
            "Throw the kill switch",
            danger=True,
        )

    def check(self) -> None:
        """Let pass whoever operates anything."""
        operates = self.user.role == Role.ADMIN or Team.objects.operated_by(self.user).exists()
        permissions.require(operates, "Only administrators and operators throw kill switches.")

    def make_form(self, data: Any = None) -> forms.Form:
        """Ask whom, or why."""
        if data is None or not self.is_second:
            return Where(data)
        return Why(data, everything=self.scope[0] == KillScope.ALL)

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Render the step that the form belongs to: no number and no red button before the scope is a known one."""
        self.asks_whom = not isinstance(form, Why)
        return super().answer(form, refusal, status=status)

    def back(self) -> str:
        """Lead to the list."""
        return list_of(KillSwitch)

    def perform(self, data: Mapping[str, Any]) -> Done | HttpResponse:
        """Ask why, or throw it."""
        scope, value = data["scope"], data["value"]
        if not self.is_second:
            try:
                permissions.may_kill(self.user, scope, value)
            except Missing as missing:
                whom = Where(self.request.POST)
                whom.is_valid()
                whom.add_error("value", "There is none of this name, or it is not yours to see.")
                return self.answer(whom, None, status=missing.status)
            form = Why(initial={"scope": scope, "value": value}, everything=scope == KillScope.ALL)
            return self.answer(form, None)
        switch = kill(scope=scope, value=value, reason=data["reason"], by=self.user, now=self.now)
        return Done("The kill switch is in force.", page_of(switch))


class KillTeam(Dialog):
    """Stop a team's agents."""

    form_class = Reason
    row: Team

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Stop every agent of {self.row.name}?",
            (
                f"{reach(KillScope.TEAM, self.row.slug)}: each is refused at its next ask or redeem.",
                "It lasts until the switch is lifted. Approvals stay open and keep expiring.",
            ),
            f"Stop the agents of {self.row.slug}",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_kill(self.user, KillScope.TEAM, self.row.slug)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        switch = kill(scope=KillScope.TEAM, value=self.row.slug, reason=data["reason"], by=self.user, now=self.now)
        return Done(f"The agents of {self.row.slug} are stopped.", page_of(switch))


class SwitchDialog(FieldDialog):
    """A dialog about one switch."""

    row: KillSwitch

    def check(self) -> None:
        """Check the right."""
        permissions.may_lift(self.user, self.row)

    def done(self, said: str) -> Done:
        """Go back to the switch."""
        return Done(said, self.pages.address(self.row))


class Lift(SwitchDialog):
    """Lift a kill switch."""

    form_class = OptionalReason

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Lift the kill switch over {self.row}?",
            (
                f"{reach(self.row.scope, self.row.value)}.",
                "Agents that are not paused for other reasons may ask again at once.",
            ),
            "Lift it",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Lift."""
        lift(switch=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done("The kill switch is lifted.")


class One(Reason):
    """Which agent, and why."""

    field_order = ("agent", "reason")

    def __init__(self, *args: Any, switch: KillSwitch, **options: Any) -> None:
        super().__init__(*args, **options)
        out = KillExemption.objects.filter(switch=switch).values("agent")
        held = agents_in(switch.scope, switch.value).exclude(pk__in=out).order_by("slug")
        self.fields["agent"] = Named(held, name="slug")
        self.order_fields(self.field_order)


class LetOut(SwitchDialog):
    """Let one agent out."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Let one agent out of the kill switch over {self.row}?",
            (
                "Its next ask is judged as if the switch were not there; all others stay stopped.",
                "A pause of its own, and other switches, still hold it.",
            ),
            "Let it out",
            danger=True,
        )

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the agents that it stops."""
        return One(data, switch=self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Let it out."""
        let_out(switch=self.row, agent=data["agent"], reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{data['agent'].slug} is let out.")


class PutBack(SwitchDialog):
    """Put an agent back under the switch."""

    form_class = OptionalReason

    @property
    def exemption(self) -> KillExemption:
        """The exemption that the address names.

        Raises:
            Http404: there is none of this switch.
        """
        rows = KillExemption.objects.filter(switch=self.row, agent__slug=self.request.GET.get("agent", ""))
        found = rows.select_related("agent__team", "switch").first()
        if found is None:
            raise Http404
        return found

    def words(self) -> Words:
        """Name the effect."""
        slug = self.exemption.agent.slug
        return Words(f"Put {slug} back under the kill switch?", ("Its next ask is refused.",), f"Stop {slug} again")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Put it back."""
        exemption = self.exemption
        put_back(exemption=exemption, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{exemption.agent.slug} is stopped again.")
