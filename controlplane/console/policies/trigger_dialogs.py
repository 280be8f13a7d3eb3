"""Writing triggers as forms with a live sentence, trying them on history, arming them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpResponse

from audit.refusals import Refusal
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import Dialog, Done, Words
from policies.models import Firing, Trigger
from policies.operations import rearm, save_trigger, try_trigger
from policies.operations.triggers import definition_of
from policies.permissions import may_rearm, may_watch
from policies.states import Measure, TriggerMode
from policies.triggers.documents import LONGEST_NOTE, read_trigger
from registry.documents import Problems
from registry.models import Team
from registry.permissions import require
from registry.states import Role

_WINDOWS = (("5m", "5 minutes"), ("15m", "15 minutes"), ("1h", "one hour"), ("6h", "6 hours"), ("1d", "one day"),
            ("7d", "7 days"))  # fmt: skip
_SCOPES = (("agent", "one agent"), ("team", "the agents of one team"), ("everyone", "all agents"))


class Terms(forms.Form):
    """What a trigger is."""

    count = forms.ChoiceField(label="Count", choices=Measure.choices)
    scope = forms.ChoiceField(label="Of", choices=_SCOPES)
    name = forms.CharField(label="Agent or team", max_length=64, required=False, help_text="Its slug; empty for all.")
    each_agent = forms.BooleanField(label="Count each agent by itself", required=False)
    more_than = forms.CharField(
        label="Fires at more than", max_length=21, help_text="A whole number; for spend, USD such as 5.00."
    )
    per = forms.ChoiceField(label="Within", choices=_WINDOWS, initial="1h")
    mode = forms.ChoiceField(
        label="Then", choices=TriggerMode.choices, initial=TriggerMode.SHADOW,
        help_text="To let it warn or enforce, save it in shadow and try it on history first.",
    )  # fmt: skip
    note = forms.CharField(
        label="Note", max_length=LONGEST_NOTE, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class ChangedTerms(Terms):
    """A trigger written anew over what was read."""

    seen = forms.CharField(min_length=64, max_length=64, widget=forms.HiddenInput)


class NewTerms(Terms):
    """A new trigger."""

    slug = forms.SlugField(label="Name", max_length=64, help_text="Lower-case letters, digits and hyphens.")
    field_order = ("slug",)


def document_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that a form stands for; its defects are found by whoever reads it."""
    count, scope, text = data.get("count", ""), data.get("scope", ""), str(data.get("more_than", "")).strip()
    found: dict[str, Any] = {"count": count, "per": data.get("per", ""), "mode": data.get("mode", "")}
    if scope in {"agent", "team"}:
        found[scope] = data.get("name", "")
    if data.get("each_agent"):
        found["each_agent"] = True
    if count == Measure.SPEND:
        found["more_than_usd"] = text
    else:
        found["more_than"] = int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else text
    if data.get("note"):
        found["note"] = data["note"]
    return found


def sentence_of(data: Mapping[str, Any]) -> str:
    """Return the sentence of a form, or what is missing."""
    problems = Problems()
    definition = read_trigger(document_of(data), problems=problems)
    if definition is not None:
        return definition.sentence
    return f"Not complete: {problems.found[0].detail}"


class Writing(Dialog):
    """A form beside its sentence; the page asks for the sentence of what stands in the form."""

    template: ClassVar[str] = "console/policies/trigger_form.html"

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Render it as a page of its own, so that the sentence has its place."""
        words = self.words()
        context: dict[str, Any] = {
            "words": words,
            "form": form,
            "refusal": refusal,
            "title": words.title,
            "back": self.back(),
            "action": self.request.path,
            "sentence": sentence_of(self._shown(form)) if form else "",
        }
        return self.framed(self.template, context, status=refusal.status if refusal else status)

    def _shown(self, form: forms.Form) -> Mapping[str, Any]:
        if form.is_bound:
            return form.data
        return self.request.GET if "count" in self.request.GET else form.initial


class NewTrigger(Writing):
    """Write a new trigger."""

    form_class = NewTerms

    def words(self) -> Words:
        """Say what it is."""
        return Words(
            "New trigger",
            ("It watches what the trail says of agents. It can stop them; only people let go on.",),
            "Save the trigger",
        )

    def initial(self) -> dict[str, Any]:
        """Begin with something that makes sense."""
        return {
            "count": "denials", "scope": "everyone", "each_agent": True, "more_than": "20", "per": "1h",
            "mode": "shadow",
        }  # fmt: skip

    def check(self) -> None:
        """Let pass whoever operates anything."""
        operates = self.user.role == Role.ADMIN or Team.objects.operated_by(self.user).exists()
        require(operates, "Only operators and administrators write triggers.")

    def back(self) -> str:
        """Lead to the list."""
        return list_of(Trigger)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save."""
        trigger = save_trigger(slug=data["slug"], document=document_of(data), by=self.user, now=self.now, new=True)
        return Done("The trigger is saved. Try it on history before it warns or enforces.", page_of(trigger))


class EditTrigger(Writing):
    """Write a trigger anew."""

    form_class = ChangedTerms
    row: Trigger

    def words(self) -> Words:
        """Say what changing it does."""
        return Words(
            f"Change {self.row.slug}",
            ("Another threshold, window or scope has to be tried again before it warns or enforces.",),
            "Save the trigger",
        )

    def check(self) -> None:
        """Say at once who may."""
        may_watch(self.user, agent=self.row.agent, team=self.row.team)

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the present window among the usual ones."""
        form = super().make_form(data)
        field, present = form.fields["per"], str(self.initial()["per"])
        if isinstance(field, forms.ChoiceField) and present not in dict(_WINDOWS):
            field.choices = ((present, present), *_WINDOWS)
        return form

    def initial(self) -> dict[str, Any]:
        """Hold it as it is."""
        definition = definition_of(self.row)
        document = definition.document
        scope = "agent" if "agent" in document else "team" if "team" in document else "everyone"
        return {
            **document,
            "scope": scope,
            "name": document.get(scope, ""),
            "more_than": document.get("more_than_usd", document.get("more_than")),
            "seen": definition.full_digest,
        }

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save."""
        save_trigger(slug=self.row.slug, document=document_of(data), by=self.user, now=self.now, seen=data["seen"])
        return Done("The trigger is saved.", self.pages.address(self.row))


class TryTrigger(Dialog):
    """Try it on the last thirty days."""

    row: Trigger

    def words(self) -> Words:
        """Say that it stops nobody."""
        return Words(
            f"Try {self.row.slug} on history?",
            ("It is held against the last 30 days of the trail; nothing fires and nobody is stopped.",),
            "Try it",
        )

    def check(self) -> None:
        """Say at once who may."""
        may_watch(self.user, agent=self.row.agent, team=self.row.team)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Try."""
        trigger = try_trigger(trigger=self.row, by=self.user, now=self.now)
        return Done(f"It would have fired {trigger.trial['times']} times.", self.pages.address(self.row))


class Rearm(Dialog):
    """Arm a trigger again for one subject."""

    row: Firing

    def words(self) -> Words:
        """Name the effect, and what it does not do."""
        stays = f" What it paused stays paused: {', '.join(self.row.paused)}." if self.row.paused else ""
        return Words(
            f"Arm {self.row.trigger.slug} again for {self.row.subject}?",
            (f"What was counted so far does not fire it a second time.{stays}",),
            "Arm it again",
        )

    def check(self) -> None:
        """Say at once who may."""
        may_rearm(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Arm it."""
        rearm(firing=self.row, by=self.user, now=self.now)
        return Done("It is armed again.", self.pages.address(self.row))
