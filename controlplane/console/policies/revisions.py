"""Revisions of the policy set: the list, the page with document and diff, publishing and rolling back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from approvals.models import Queue
from audit.refusals import Forbidden
from controlplane.apply import dumping, loading
from controlplane.console.admins import Button, ConsoleAdmin, Empty, page_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, OptionalReason, Reason, Words
from controlplane.console.diffs import Line, line_diff
from controlplane.console.lists import state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.sentences import Sentence, sentences
from policies.language import dump, parse
from policies.models import Revision
from policies.operations import discard, publish, roll_back, save_draft
from policies.snapshots import published
from policies.states import RevisionState
from registry.models import User
from registry.states import Role

_DRAFTERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER})


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One policy of the set, in sentences."""

    slug: str
    mode: str
    scope: str
    rules: tuple[Sentence, ...]
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionPage:
    """Everything that the page shows.

    Attributes:
        document: the set as YAML.
        against: number of the published revision that `diff` compares with; None where there is none to compare.
    """

    heading: str
    number: int
    state: str
    author: str
    created_at: datetime
    published_by: str
    published_at: datetime | None
    reason: str
    restores: int | None
    tests_run: int
    digest: str
    policies: tuple[PolicyLine, ...]
    document: str
    against: int | None
    diff: tuple[Line, ...]
    buttons: tuple[Button, ...]


def as_yaml(document: Mapping[str, Any]) -> str:
    """Write a policy set as the YAML that ``apply`` reads."""
    native = dump(parse(document), native_dates=True)
    return dumping.dump(native) if native else ""


def read_revision(revision: Revision, *, user: User) -> RevisionPage:
    """Read the page."""
    live = published()
    document = as_yaml(revision.document)
    compared = live is not None and live.pk != revision.pk
    diff = line_diff(as_yaml(live.document), document) if live is not None and compared else []
    return RevisionPage(
        heading=f"Policies r{revision.number}",
        number=revision.number,
        state=revision.state,
        author=revision.author.username,
        created_at=revision.created_at,
        published_by=revision.published_by.username if revision.published_by else "",
        published_at=revision.published_at,
        reason=revision.reason,
        restores=revision.restores,
        tests_run=revision.tests_run,
        digest=revision.digest,
        policies=tuple(_lines(revision.document)),
        document=document,
        against=live.number if live is not None and compared else None,
        diff=tuple(diff),
        buttons=_buttons(revision, user),
    )


def _lines(document: Mapping[str, Any]) -> list[PolicyLine]:
    found = []
    for slug, policy in parse(document).policies.items():
        scope = policy.applies_to
        parts = [
            f"{name} {', '.join(sorted(items))}"
            for name, items in (
                ("agents", scope.agents), ("teams", scope.teams), ("tags", scope.tags),
                ("environments", scope.environments),
            )
            if items
        ]  # fmt: skip
        found.append(
            PolicyLine(slug, policy.mode, "; ".join(parts) or "everyone", tuple(sentences(policy)), len(policy.tests))
        )
    return found


def _buttons(revision: Revision, user: User) -> tuple[Button, ...]:
    if user.role not in _DRAFTERS:
        return ()
    if revision.state == RevisionState.DRAFT:
        mine = user.role == Role.ADMIN or user.pk == revision.author_id
        away = "" if mine else "Only its author and administrators discard a draft."
        return (
            Button(f"Publish r{revision.number}…", page_of(revision, "publish"), "main"),
            Button("Discard…", page_of(revision, "discard"), obstacle=away),
        )
    if revision.state == RevisionState.SUPERSEDED:
        return (Button(f"Roll back to r{revision.number}…", page_of(revision, "roll-back")),)
    return ()


def _queues() -> list[str]:
    return list(Queue.objects.values_list("slug", flat=True))


class Publish(Dialog):
    """Put a draft in force."""

    form_class = Reason
    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Publish r{self.row.number}?",
            (
                "From the next request on, in every process, it decides. Its own tests are run first.",
                "The revision before it returns in one step: Roll back.",
            ),
            f"Publish r{self.row.number}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Publish; the operation checks the right over every agent that a changed policy matches."""
        publish(revision=self.row, queues=_queues(), by=self.user, now=self.now, reason=data["reason"])
        return Done(f"r{self.row.number} is in force.", self.pages.address(self.row))


class RollBack(Dialog):
    """Publish a copy of an earlier revision."""

    form_class = Reason
    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Roll back to r{self.row.number}?",
            ("A copy of it is published as a new revision; numbers only rise. From the next request on it decides.",),
            f"Roll back to r{self.row.number}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Roll back."""
        new = roll_back(to=self.row.number, queues=_queues(), by=self.user, now=self.now, reason=data["reason"])
        return Done(f"r{new.number} is in force; it says what r{self.row.number} said.", self.pages.address(new))


class Discard(Dialog):
    """Give up a draft."""

    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Discard r{self.row.number}?", ("The draft stays readable and cannot be published.",), "Discard the draft"
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Discard."""
        discard(revision=self.row, by=self.user, now=self.now)
        return Done("The draft is discarded.", self.pages.address(self.row))


class Document(OptionalReason):
    """A whole policy set."""

    document = forms.CharField(
        label="Policies, as YAML", strip=False, max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 24, "class": "cp-code", "spellcheck": "false"}),
        help_text="The whole set: what is left out is gone once it is published.",
    )  # fmt: skip
    reason = forms.CharField(label="Why", max_length=LONGEST_REASON, required=False)
    field_order = ("document", "reason")


class Draft(Dialog):
    """Write a new draft, beginning with what is in force."""

    form_class = Document

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "New draft of the policies",
            ("A draft decides nothing. Publishing it is a step of its own, with its tests and your reason.",),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Begin with the published set."""
        live = published()
        return {"document": as_yaml(live.document) if live else ""}

    def check(self) -> None:
        """Say at once who drafts."""
        if self.user.role not in _DRAFTERS:
            raise Forbidden("Administrators, operators and owners draft policies.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Read the YAML and keep it."""
        document = loading.load(data["document"]).value or {}
        draft = save_draft(policies=document, by=self.user, now=self.now, reason=data["reason"])
        return Done(f"r{draft.number} is saved as a draft.", page_of(draft))


class RevisionPages(ConsoleAdmin):
    """Revisions of the policy set."""

    plural = "Policies"
    related = ("author", "published_by")
    page_template = "console/policies/revision.html"
    dialogs = {"publish": Publish, "roll-back": RollBack, "discard": Discard}
    list_dialogs = {"draft": Draft}
    empty = Empty(
        "No policies yet.",
        "Until one is published, every action is denied. Begin with a draft, or apply a document:",
        "python3 manage.py apply FILE.yaml --by USER",
    )
    list_display = ("name", "standing", "policies", "tests_run", "author", "reason", "published", "created")
    list_filter = ("state",)
    search_fields = ("reason", "author__username")

    standing = state_column("revision")
    published = time_column("published_at", empty="–")
    created = time_column("created_at")

    def visible(self, user: User) -> QuerySet[Revision]:
        """Policies bind everyone, so whoever has the page reads them all."""
        return Revision.objects.all()

    @admin.display(description="revision", ordering="number")
    def name(self, row: Revision) -> str:
        """Write the number."""
        return f"r{row.number}"

    @admin.display(description="policies")
    def policies(self, row: Revision) -> str:
        """Name the policies."""
        return ", ".join(sorted(row.document)) or "none"

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer a new draft."""
        if viewer(request).role not in _DRAFTERS:
            return ()
        return (Button("New draft…", "do/draft/", "main"),)

    def page(self, request: HttpRequest, row: Revision) -> RevisionPage:
        """Read the revision page."""
        return read_revision(row, user=viewer(request))
