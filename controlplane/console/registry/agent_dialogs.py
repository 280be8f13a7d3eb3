"""What people do to an agent: pause, resume, retire, stop it in an emergency, command it, give it keys and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpResponse

from audit.canonical import loads
from audit.refusals import invalid
from controlplane.console import text
from controlplane.console.admins import Button, page_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, NoForm, OptionalReason, Reason, Words
from registry import permissions
from registry.models import Agent, AgentVersion, Release
from registry.operations import (
    contain,
    create_version,
    issue_key,
    kill,
    pause_agent,
    resume_agent,
    retire_agent,
    roll_back,
    send_command,
)
from registry.states import AgentState, CommandKind, Environment, KeyScope, KillScope, ReleaseState

_OPERATORS = "Operators of the agent's team and administrators may do this."
_OWNERS = "Operators of the agent's team, its owner and administrators may do this."


class AgentDialog(Dialog):
    """A dialog about one agent.

    Attributes:
        owners: whether the agent's owner may do it too.
        label: of its button; ``{}`` stands for the slug.
        states: in which states of the agent the button makes sense.
    """

    row: Agent
    owners: ClassVar[bool] = False
    label: ClassVar[str] = ""
    tone: ClassVar[str] = ""
    states: ClassVar[frozenset[str]] = frozenset({AgentState.ACTIVE, AgentState.PAUSED})

    def check(self) -> None:
        """Check the right."""
        if self.owners:
            permissions.may_pause(self.user, self.row)
        else:
            permissions.may_operate(self.user, self.row)

    def done(self, said: str) -> Done:
        """Go back to the agent."""
        return Done(said, self.pages.address(self.row))


class Pause(AgentDialog):
    """Pause it."""

    form_class = Reason
    owners, label, tone, states = True, "Pause {}…", "danger", frozenset({AgentState.ACTIVE})

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Pause {self.row.slug}?",
            (
                "Its next ask or redeem is refused; it may still report.",
                "What it is executing now cannot be recalled. Its approvals stay open and keep expiring.",
            ),
            f"Pause {self.row.slug}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Pause."""
        pause_agent(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is paused.")


class Resume(AgentDialog):
    """Let it ask again."""

    form_class = OptionalReason
    label, tone, states = "Resume {}…", "main", frozenset({AgentState.PAUSED})

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Resume {self.row.slug}?", ("It may ask and redeem again at once.",), f"Resume {self.row.slug}")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Resume."""
        resume_agent(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is active.")


class Retire(AgentDialog):
    """End it for good."""

    form_class = Reason
    label, tone = "Retire {}…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Retire {self.row.slug} for good?",
            ("It never asks again, and its keys are revoked. Its records stay. This cannot be undone.",),
            f"Retire {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Retire."""
        retire_agent(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is retired.")


class Contain(AgentDialog):
    """Stop it in every way at once."""

    form_class = Reason
    label, tone = "Contain {}…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Contain {self.row.slug}?",
            ("It is paused, all its keys are revoked, and it is told to stop. New keys are needed to go on.",),
            f"Contain {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Contain."""
        contain(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is paused, its keys are revoked, and a stop is requested.")


class Kill(AgentDialog):
    """Throw a kill switch over it."""

    form_class = Reason
    label, tone = "Throw kill switch…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Throw a kill switch over {self.row.slug}?",
            ("Asking and redeeming are refused until the switch is lifted. Resuming the agent does not lift it.",),
            f"Stop {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        kill(scope=KillScope.AGENT, value=self.row.slug, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"A kill switch stops {self.row.slug}.")


class Parameters(forms.Form):
    """What goes with a command."""

    parameters = forms.CharField(
        label="Parameters", required=False, strip=False, max_length=64_000, initial="{}",
        widget=forms.Textarea(attrs={"rows": 6, "class": "cp-code", "spellcheck": "false"}),
        help_text="A JSON object, no secrets.",
    )  # fmt: skip


class CommandDialog(AgentDialog):
    """Tell the agent something; it polls for it and says what came of it."""

    form_class = Parameters
    kind: ClassVar[CommandKind]

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Tell {self.row.slug} to {self.kind}?",
            ("The agent fetches the command when it next polls, within 10 minutes, and reports what came of it.",),
            f"Request {self.kind}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Request it."""
        send_command(agent=self.row, kind=self.kind, by=self.user, now=self.now, parameters=_object(data["parameters"]))
        return self.done(f"{self.kind.label} requested; {self.row.slug} has not answered yet.")


class Start(CommandDialog):
    """Start."""

    kind, label, states = CommandKind.START, "Start…", frozenset({AgentState.ACTIVE})


class Stop(CommandDialog):
    """Stop."""

    kind, label = CommandKind.STOP, "Stop…"


class Dispatch(CommandDialog):
    """Dispatch a task."""

    kind, label, states = CommandKind.DISPATCH, "Dispatch a task…", frozenset({AgentState.ACTIVE})


class NewKey(forms.Form):
    """A key."""

    environment = forms.ChoiceField(choices=Environment.choices, initial=Environment.PRODUCTION)
    scopes = forms.MultipleChoiceField(
        choices=KeyScope.choices,
        initial=[KeyScope.ACT, KeyScope.INGEST, KeyScope.READ_SELF],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(min_value=1, max_value=365, initial=90, help_text="How long it lives.")


class Issue(AgentDialog):
    """Issue a key; its text is shown once."""

    form_class = NewKey
    owners, label = True, "Issue a key…"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Issue a key of {self.row.slug}?",
            (
                "Its text is shown once, on the next page, and stored nowhere.",
                "You will not be able to vote on what the agent asks with it.",
            ),
            "Issue the key",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_issue_keys(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Issue it and show it; the page is kept by nobody."""
        key, secret = issue_key(
            agent=self.row,
            environment=data["environment"],
            scopes=data["scopes"],
            days=data["days"],
            by=self.user,
            now=self.now,
        )
        context = {"title": f"Key of {self.row.slug}", "key": key, "secret": secret, "back": self.back()}
        response = self.pages.render(self.request, "console/registry/new_key.html", context)
        response["Cache-Control"] = "no-store"
        return response


class NewVersion(forms.Form):
    """A version's definition."""

    definition = forms.CharField(
        strip=False, max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 18, "class": "cp-code", "spellcheck": "false"}),
        help_text="Prompts, model preferences, tools, configuration: a JSON object.",
    )  # fmt: skip
    note = forms.CharField(label="What is new", max_length=LONGEST_REASON, required=False)


class Draft(AgentDialog):
    """Begin a new version with the definition of the live one."""

    form_class = NewVersion
    label = "New version…"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"New version of {self.row.slug}",
            ("A draft changes nothing. Promoting it is a step of its own.",),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Hold the newest definition."""
        newest = AgentVersion.objects.filter(agent=self.row).first()
        return {"definition": text.escaped(text.pretty(newest.definition if newest else {})), "note": ""}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Create it."""
        definition = _object(data["definition"])
        version = create_version(agent=self.row, definition=definition, note=data["note"], by=self.user, now=self.now)
        return Done(f"v{version.number} is a draft.", page_of(version))


class RollBack(AgentDialog):
    """Bring back the version before the live one."""

    form_class = NoForm
    label = "Roll back…"

    @property
    def environment(self) -> str:
        """Where."""
        given = self.request.GET.get("environment", "")
        return given if given in Environment.values else str(Environment.PRODUCTION)

    def words(self) -> Words:
        """Name the effect."""
        live = Release.objects.select_related("version").filter(
            agent=self.row, environment=self.environment, state=ReleaseState.LIVE
        )
        row = live.first()
        number = f"v{row.version.number}" if row else "nothing"
        return Words(
            f"Roll {self.row.slug} back in {self.environment}?",
            (f"Live is {number}. The version before it takes its place in one step.",),
            "Roll back",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Roll back."""
        release = roll_back(agent=self.row, environment=self.environment, by=self.user, now=self.now)
        return self.done(f"v{release.version.number} is live in {self.environment}.")


def _object(written: str) -> dict[str, Any]:
    value = loads((written.strip() or "{}").encode("utf-8", "surrogatepass"))
    if not isinstance(value, dict):
        raise invalid("", "type", "Write a JSON object.")
    return value


MAIN: tuple[tuple[str, type[AgentDialog]], ...] = (("pause", Pause), ("resume", Resume))
MORE: tuple[tuple[str, type[AgentDialog]], ...] = (
    ("start", Start),
    ("stop", Stop),
    ("dispatch", Dispatch),
    ("issue-key", Issue),
    ("draft", Draft),
    ("kill", Kill),
    ("contain", Contain),
    ("retire", Retire),
)
DIALOGS: dict[str, type[Dialog]] = {**dict(MAIN), **dict(MORE), "roll-back": RollBack}


def buttons_of(agent: Agent, *, operates: bool, owns: bool) -> tuple[tuple[Button, ...], tuple[Button, ...]]:
    """Return the first buttons of an agent's page, and the others; what is not theirs is disabled with the reason."""
    return (_buttons(MAIN, agent, operates, owns), _buttons(MORE, agent, operates, owns))


def _buttons(
    kinds: tuple[tuple[str, type[AgentDialog]], ...], agent: Agent, operates: bool, owns: bool
) -> tuple[Button, ...]:
    return tuple(
        Button(
            kind.label.format(agent.slug),
            page_of(agent, word),
            kind.tone,
            "" if operates or (owns and kind.owners) else (_OWNERS if kind.owners else _OPERATORS),
        )
        for word, kind in kinds
        if agent.state in kind.states
    )
