"""The list of policies: what is in force and what it did, and every revision of the set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit.ids import floor_id
from controlplane.console.admins import Button, ConsoleAdmin, Empty, list_of
from controlplane.console.lists import state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.dialogs import Discard, Publish, RollBack
from controlplane.console.policies.editing import Draft, EditDraft
from controlplane.console.policies.replay_dialogs import StartReplay
from controlplane.console.policies.revision_page import DRAFTERS, RevisionPage, as_yaml, lines_of, read_revision
from controlplane.console.policies.starters import STARTERS
from controlplane.console.policies.trying import Try
from policies.language import parse
from policies.models import Decision, Revision
from policies.snapshots import published
from policies.states import Effect
from registry.models import User

__all__ = ["RevisionPages", "as_yaml", "read_in_force"]

_WEEK: Final = timedelta(days=7)
# So many of the newest denials and reviews are looked through; the page says so where there were more.
MOST_LOOKED_AT: Final = 2_000


@dataclass(frozen=True, slots=True)
class InForce:
    """One policy in force, with what it did in a week."""

    slug: str
    mode: str
    scope: str
    rules: int
    tests: int
    denied: int
    held: int
    denied_url: str
    held_url: str


@dataclass(frozen=True, slots=True)
class Present:
    """The published set.

    Attributes:
        number: of the revision.
        policies: each with what it did.
        cut: whether older decisions of the week were not looked at.
    """

    number: int
    url: str
    policies: tuple[InForce, ...]
    cut: bool


def read_in_force(*, user: User, now: datetime) -> Present | None:
    """Read the published set, and what it did to the decisions that the person may see."""
    live = published()
    if live is None:
        return None
    denied, held, cut = _count(user, now)
    decisions = list_of(Decision)
    return Present(
        live.number,
        f"{list_of(Revision)}{live.pk}/",
        tuple(
            InForce(
                line.slug, line.mode, line.scope, len(line.rules), line.tests, denied[line.slug], held[line.slug],
                f"{decisions}?effect__exact=deny&since=7d&policy={line.slug}",
                f"{decisions}?effect__exact=review&since=7d&policy={line.slug}",
            )
            for line in lines_of(parse(live.document))
        ),
        cut,
    )  # fmt: skip


def _count(user: User, now: datetime) -> tuple[Counter[str], Counter[str], bool]:
    """Count by policy: a JSON list cannot be grouped on both engines, and a week's refusals are few."""
    rows = Decision.objects.visible_to(user).real().filter(pk__gte=floor_id(now - _WEEK))
    rows = rows.filter(effect__in=(Effect.DENY, Effect.REVIEW)).order_by("-id")
    found = list(rows.values_list("effect", "reasons")[: MOST_LOOKED_AT + 1])
    denied: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for effect, reasons in found[:MOST_LOOKED_AT]:
        counter = denied if effect == Effect.DENY else held
        counter.update({reason["policy"] for reason in reasons if reason["policy"]})
    return denied, held, len(found) > MOST_LOOKED_AT


class RevisionPages(ConsoleAdmin):
    """Revisions of the policy set."""

    plural = "Policies"
    related = ("author", "published_by")
    page_template = "console/policies/revision.html"
    change_list_template = "console/policies/list.html"
    dialogs = {"publish": Publish, "roll-back": RollBack, "discard": Discard, "edit": EditDraft, "replay": StartReplay}
    list_dialogs = {"draft": Draft, "try": Try}
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

    @admin.display(description="revision", ordering="number")
    def name(self, row: Revision) -> str:
        """Write the number."""
        return f"r{row.number}"

    @admin.display(description="policies")
    def policies(self, row: Revision) -> str:
        """Name the policies."""
        return ", ".join(sorted(row.document)) or "none"

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to try; and a new draft to whoever drafts."""
        trying = Button("What would happen if…", f"{list_of(Revision)}do/try/")
        if viewer(request).role not in DRAFTERS:
            return (trying,)
        return (trying, Button("New draft…", f"{list_of(Revision)}do/draft/", "main"))

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show what is in force above the revisions."""
        if not self.has_module_permission(request):
            return super().changelist_view(request, extra_context)
        present = read_in_force(user=viewer(request), now=timezone.now())
        drafts = viewer(request).role in DRAFTERS
        context = {
            "present": present,
            "starters": tuple(STARTERS.items()) if present is None and drafts else (),
            "draft_url": f"{list_of(Revision)}do/draft/",
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def page(self, request: HttpRequest, row: Revision) -> RevisionPage:
        """Read the revision page."""
        return read_revision(
            row, user=viewer(request), against=request.GET.get("against", ""), tests="tests" in request.GET
        )
