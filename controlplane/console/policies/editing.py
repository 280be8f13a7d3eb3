"""The editor of a draft: rules as forms, the same document as YAML, tests beside both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from audit.refusals import Forbidden, IllegalTransition, Refusal
from controlplane.apply import loading
from controlplane.apply.problems import DocumentRefused, located
from controlplane.console.admins import page_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, ExactField, Words, without_secrets
from controlplane.console.policies.dialogs import Digest
from controlplane.console.policies.drafting import with_rule
from controlplane.console.policies.offers import Offers
from controlplane.console.policies.outline import Judge, offers_for
from controlplane.console.policies.revision_page import DRAFTERS, as_yaml
from controlplane.console.policies.starters import STARTERS, start
from controlplane.console.policies.workbench import Bench, work
from policies.models import Decision, Revision
from policies.operations import revise_draft, save_draft
from policies.operations.revisions import DraftChanged
from policies.permissions import may_edit_draft
from policies.snapshots import published
from policies.states import RevisionState
from registry.documents import DocumentInvalid

SAVE = "save"


class Document(forms.Form):
    """A whole policy set."""

    document = ExactField(
        label="Policies, as YAML", strip=False, max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 24, "class": "cp-code", "spellcheck": "false"}),
        help_text="The whole set: what is left out is gone once it is published. "
        "What a form changes is written anew, without comments.",
    )  # fmt: skip
    reason = forms.CharField(label="Why", max_length=LONGEST_REASON, required=False)


class Redraft(Digest, Document):
    """A draft written anew."""

    field_order = ("document", "reason")


class Writing(Dialog):
    """An editor: every button posts the whole text, and only the last one keeps it."""

    template: ClassVar[str] = "console/policies/edit.html"

    @cached_property
    def judge(self) -> Judge:
        """What the text is read against, and compared with."""
        live = published()
        return Judge(live.document if live else {})

    @cached_property
    def offers(self) -> Offers:
        """What can be chosen."""
        return offers_for(self.user, self.judge)

    def work(self, text: str, act: str, given: Mapping[str, Any]) -> Bench:
        """Do what a button or a key says to the text."""
        return work(text, act=act, given=given, offers=self.offers, judge=self.judge)

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Show the editor, or why the person may not."""
        try:
            self.check()
        except Refusal as refusal:
            return self.answer(None, refusal)
        form = self.make_form()
        return self.shown(form, self.work(form.initial["document"], "", {}))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Go on writing, or keep the draft."""
        given = request.POST
        act, text = given.get("act", SAVE), given.get("document", "").replace("\r\n", "\n")
        if act != SAVE:
            try:
                self.check()
            except Refusal as refusal:
                return self.answer(None, refusal)
        if act.startswith("start ") and not text.strip():
            text = start(act.removeprefix("start "), self.judge.verbs)
        bench = self.work(text, act, given)
        form = self.make_form(self._with(given, bench.text))
        if act != SAVE:
            return self.shown(form, bench)
        if bench.refused:
            return self.shown(form, bench, status=422)
        if not form.is_valid():
            return self.shown(form, bench, faulty=True, status=422)
        try:
            done = self.perform(without_secrets(form))
        except Refusal as refusal:
            return self.shown(form, bench, refusal=refusal, status=refusal.status)
        messages.success(request, done.text)
        return HttpResponseRedirect(done.url)

    def _with(self, given: QueryDict, text: str) -> QueryDict:
        found = given.copy()
        found["document"] = text
        return found

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Say why there is nothing to write."""
        return self.shown(form, None, refusal=refusal, status=refusal.status if refusal else status)

    def shown(
        self, form: forms.Form | None, bench: Bench | None, *, refusal: Refusal | None = None, faulty: bool = False,
        status: int = 200,
    ) -> HttpResponse:  # fmt: skip
        """Render the editor as a page of its own, which has room for the text and for its defects."""
        words = self.words()
        context: dict[str, Any] = {
            "words": words,
            "form": form,
            "faulty": faulty,
            "bench": bench,
            "offers": self.offers if bench else None,
            "starters": tuple(STARTERS.items()) if bench and not bench.text.strip() else (),
            "refusal": refusal,
            "defects": refusal.located if isinstance(refusal, DocumentRefused) else (),
            "overtaken": isinstance(refusal, DraftChanged),
            "title": words.title,
            "back": self.back(),
            "action": self.request.get_full_path(),
        }
        return self.framed(self.template, context, status=status)

    def check(self) -> None:
        """Say at once who drafts."""
        if self.user.role not in DRAFTERS:
            raise Forbidden("Administrators, operators and owners draft policies.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Read the YAML and keep it; defects of the policies get the lines on which they stand."""
        loaded = loading.load(data["document"])
        try:
            draft = self.keep(loaded.value or {}, data)
        except DocumentInvalid as refusal:
            raise located(refusal.errors, loaded.lines) from refusal
        return Done(f"r{draft.number} is saved as a draft.", page_of(draft))

    @abstractmethod
    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Call the operation."""


class Draft(Writing):
    """Write a new draft, beginning with what is in force."""

    form_class = Document

    @cached_property
    def beginning(self) -> tuple[dict[str, Any], str]:
        """The policies in force and, where a visible decision is named, the policy that permits what it was about."""
        live = published()
        document = live.document if live else {}
        decision = self._named()
        if decision is None:
            return document, ""
        return with_rule(
            document, agent=decision.agent.slug, verb=decision.verb, destinations=decision.destinations,
            units=decision.units,
        )  # fmt: skip

    def _named(self) -> Decision | None:
        try:
            wanted = UUID(self.request.GET.get("decision", ""))
        except ValueError:
            return None
        return Decision.objects.visible_to(self.user).select_related("agent").filter(pk=wanted).first()

    def words(self) -> Words:
        """Name the effect."""
        _, drafted = self.beginning
        added = f"The policy {drafted} is new: it permits exactly what was asked, to this agent alone."
        return Words(
            "New draft of the policies",
            (
                "A draft decides nothing. Publishing it is a step of its own, with its tests and your reason.",
                *((added,) if drafted else ()),
            ),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Begin with the published set, or with a template where there is none."""
        document, _ = self.beginning
        if not document:
            return {"document": start(self.request.GET.get("template", ""), self.judge.verbs)}
        return {"document": as_yaml(document)}

    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Keep a new draft."""
        return save_draft(policies=document, by=self.user, now=self.now, reason=data["reason"])


class EditDraft(Writing):
    """Write a draft anew."""

    form_class = Redraft
    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        live = published()
        over = f"r{live.number}" if live else "nothing"
        return Words(
            f"Edit the draft r{self.row.number}",
            (f"Saving writes it over what is in force now ({over}); a draft decides nothing.",),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Hold the draft as it is."""
        return {"document": as_yaml(self.row.document), "reason": self.row.reason, "seen": self.row.digest}

    def check(self) -> None:
        """Its author and administrators edit a draft."""
        may_edit_draft(self.user, self.row)
        if self.row.state != RevisionState.DRAFT:
            raise IllegalTransition(f"r{self.row.number} is {self.row.state}; only a draft is edited.")

    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Keep it in the draft's place."""
        return revise_draft(
            revision=self.row, seen=data["seen"], policies=document, by=self.user, now=self.now, reason=data["reason"]
        )
