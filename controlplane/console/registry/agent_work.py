"""What people give an agent, or whoever hears of it: commands, keys, secrets, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpResponse

from audit.canonical import loads
from audit.refusals import invalid
from controlplane.console import text
from controlplane.console.admins import page_of
from controlplane.console.dialogs import LONGEST_REASON, Done, ExactField, NoForm, Words
from controlplane.console.registry.agent_dialogs import AgentDialog
from controlplane.delivery.operations import show_callback_secret
from controlplane.no_secrets import refuse_secrets
from registry import permissions
from registry.models import AgentVersion, Release
from registry.operations import create_version, issue_key, roll_back, send_command
from registry.states import AgentState, CommandKind, Environment, KeyScope, ReleaseState


class Parameters(forms.Form):
    """What goes with a command."""

    parameters = ExactField(
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
        send_command(
            agent=self.row, kind=self.kind, by=self.user, now=self.now, parameters=kept_object(data["parameters"])
        )
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


class ShowCallbackSecret(AgentDialog):
    """Show the secret that signs its callbacks."""

    owners, label = True, "Show the callback secret…"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Show the callback secret of {self.row.slug}?",
            (
                "The receiver of its callbacks checks with it that they come from here.",
                "Whoever has it can sign calls that look like these. The trail says that you saw it.",
            ),
            "Show the secret",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_issue_keys(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Show it; the page is kept by nobody."""
        secret = show_callback_secret(agent=self.row, by=self.user, now=self.now)
        title = f"Callback secret of {self.row.slug}"
        context = {"title": title, "agent": self.row, "secret": secret, "back": self.back()}
        response = self.framed("console/registry/callback_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


class NewVersion(forms.Form):
    """A version's definition."""

    definition = ExactField(
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
        definition = kept_object(data["definition"])
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


def json_object(written: str) -> dict[str, Any]:
    """Read a JSON object as strictly as what an agent sends.

    Raises:
        Malformed, Invalid: it is not one.
    """
    value = loads((written.strip() or "{}").encode("utf-8", "surrogatepass"))
    if not isinstance(value, dict):
        raise invalid("", "type", "Write a JSON object.")
    return value


def kept_object(written: str) -> dict[str, Any]:
    """Read a JSON object that is stored to the letter.

    Raises:
        Malformed, Invalid: it is not one, or holds a secret.
    """
    value = json_object(written)
    refuse_secrets(value)
    return value
