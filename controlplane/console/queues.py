"""Queues: who reviews what under which conditions, and what waits there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from approvals.models import ApprovalRequest, Queue
from approvals.operations import create_from_template, delete_queue, rules_naming, save_queue
from approvals.operations.queues import QUEUES_LOCK, format_ttl
from approvals.operations.seats import PERSON
from approvals.permissions import may_manage_queue
from approvals.templates import TEMPLATES
from audit.refusals import Forbidden
from controlplane.console import formats
from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.dialogs import Done, EditDialog, NoForm, Words
from controlplane.console.people import viewer
from controlplane.console.queue_forms import (
    NewRules,
    Rules,
    Templates,
    escalation_of,
    from_matches,
    seconds_of,
    takes_in_words,
    to_matches,
)
from controlplane.console.registry.fields import FieldDialog, people_known_to, require_a_team
from controlplane.console.tags import draw_deadline
from registry.amounts import Money
from registry.models import Team, User
from registry.permissions import found
from registry.states import Role

Rows = QuerySet[Any]
_SHOWN: Final = 10


class QueueDialog(FieldDialog):
    """A dialog that saves a queue."""

    @property
    def teams(self) -> Rows:
        """The teams that this person may let review."""
        return Team.objects.operated_by(self.user).order_by("slug")

    @property
    def people(self) -> Rows:
        """The people whom this person may let review."""
        named: Rows = people_known_to(self.user, *(self.row.people.all() if self.row else ()))
        return named

    @property
    def others(self) -> Rows:
        """The queues that one may escalate to."""
        rows = Queue.objects.order_by("slug")
        return rows.exclude(pk=self.row.pk) if self.row else rows

    def offered(self) -> dict[str, Any]:
        """Return what the form lets choose."""
        return {"teams": self.teams, "people": self.people, "others": self.others}

    def save(self, slug: str, data: Mapping[str, Any], *, fresh: bool = False) -> bool:
        """Save it with what the form holds."""
        over: Money | None = data["over"]
        people = [f"{PERSON}{person.username}" for person in data["people"]]
        return save_queue(
            slug=slug,
            reviewers=[*(team.slug for team in data["reviewers"]), *people],
            quorum=data["quorum"],
            ttl_seconds=seconds_of(data["ttl"]),
            edits=data["edits"],
            editor_may_approve=data["editor_may_approve"],
            owner_may_approve=data["owner_may_approve"],
            bulk_limit=data["bulk_limit"],
            confirm_amount_over=over,
            capacity=data["capacity"],
            escalate=escalation_of(data),
            matches=to_matches(data),
            by=self.user,
            now=self.now,
            fresh=fresh,
        )


class Create(QueueDialog):
    """Create a queue."""

    form_class = NewRules

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Create a queue",
            ("It holds nothing until a published review rule names it. Superusers vote only as its reviewers.",),
            "Create the queue",
        )

    def check(self) -> None:
        """Let pass whoever operates a team."""
        require_a_team(self.user, "Queues are managed by administrators and by operators of all their reviewing teams.")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams."""
        return NewRules(data, initial=self.initial(), **self.offered())

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Create it."""
        slug = data["slug"]
        self.save(slug, data, fresh=True)
        return Done(f"The queue {slug} is created.", page_of(found(Queue.objects.filter(slug=slug))))


class Edit(EditDialog, QueueDialog):
    """Change a queue."""

    form_class = Rules
    lock = QUEUES_LOCK
    row: Queue

    def words(self) -> Words:
        """Name the effect."""
        waiting = ApprovalRequest.objects.in_time(self.now).filter(queues=self.row).count()
        return Words(
            f"Edit the queue {self.row.slug}",
            (
                f"{waiting} waiting now: they are counted by the new rules at their next vote.",
                "How long requests stay open is for those that come; deadlines of those that wait do not move.",
            ),
            "Save the queue",
        )

    def check(self) -> None:
        """Check the right."""
        may_manage_queue(self.user, before=list(self.row.reviewers.all()), after=[], people=list(self.row.people.all()))

    def initial(self) -> dict[str, Any]:
        """Hold the present rules."""
        over = self.row.confirm_amount_over
        return {
            "reviewers": list(self.row.reviewers.values_list("pk", flat=True)),
            "quorum": self.row.quorum,
            "ttl": format_ttl(self.row.ttl_seconds),
            "edits": self.row.edits,
            "editor_may_approve": self.row.editor_may_approve,
            "owner_may_approve": self.row.owner_may_approve,
            "bulk_limit": self.row.bulk_limit,
            "confirm_value": f"{over.value.normalize():f}" if over else "",
            "confirm_currency": over.currency if over else "",
            "people": list(self.row.people.values_list("pk", flat=True)),
            "capacity": self.row.capacity,
            "escalate_after": format_ttl(self.row.escalate_after_seconds) if self.row.escalate_after_seconds else "",
            "escalate_to": self.row.escalate_to_id,
            **from_matches(self.row.matches),
        }

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams."""
        return Rules(data, initial=self.initial(), **self.offered())

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        changed = self.save(self.row.slug, data)
        return Done("The queue is saved." if changed else "Nothing was changed.", page_of(self.row))


class Delete(FieldDialog):
    """Delete a queue that was never used."""

    form_class = NoForm
    row: Queue

    def words(self) -> Words:
        """Name the effect, and when it is possible."""
        return Words(
            f"Delete the queue {self.row.slug}?",
            (
                "Only a queue that never held anything, and that no published rule names, is deleted.",
                "One that held requests stays for their record; without a rule it receives nothing more.",
            ),
            "Delete the queue",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        may_manage_queue(self.user, before=list(self.row.reviewers.all()), after=[], people=list(self.row.people.all()))

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Delete it."""
        slug = self.row.slug
        delete_queue(queue=self.row, by=self.user, now=self.now)
        return Done(f"The queue {slug} is deleted.", list_of(Queue))


class FromTemplate(QueueDialog):
    """Create a queue in one step, of terms that are strict and sane."""

    form_class = Templates

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Create a queue from a template",
            (
                *(f"{each.title}: {each.says}" for each in TEMPLATES.values()),
                "Every term can be changed afterwards. A rule sends actions there by name, or by “auto”.",
            ),
            "Create the queue",
        )

    def check(self) -> None:
        """Let pass whoever operates a team."""
        require_a_team(self.user, "Queues are managed by administrators and by operators of all their reviewing teams.")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams and queues."""
        return Templates(data, initial=self.initial(), teams=self.teams, others=self.others)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Create it."""
        slug = data["slug"] or data["template"]
        reviewers = [team.slug for team in data["reviewers"]]
        to = data["escalate_to"].slug if data["escalate_to"] else ""
        create_from_template(
            template=TEMPLATES[data["template"]], slug=slug, reviewers=reviewers, escalate_to=to, by=self.user,
            now=self.now,
        )  # fmt: skip
        return Done(f"The queue {slug} is created.", page_of(found(Queue.objects.filter(slug=slug))))


class QueuePages(ConsoleAdmin):
    """Queues."""

    roles = EVERYBODY
    related = ("escalate_to",)
    dialogs = {"edit": Edit, "delete": Delete}
    list_dialogs = {"create": Create, "template": FromTemplate}
    empty = Empty(
        "No queues yet.",
        "A queue names who reviews. Create one above, or describe queues in the installation's document:",
        "python3 manage.py apply FILE.yaml --by USER",
    )
    list_display = ("slug", "teams", "quorum", "ttl", "edits", "editor_may_approve", "owner_may_approve")
    search_fields = ("slug",)

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Bring the reviewing teams and people in two further queries."""
        return super().get_queryset(request).prefetch_related("reviewers", "people")

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to create one."""
        user = viewer(request)
        operates = user.role == Role.ADMIN or Team.objects.operated_by(user).exists()
        away = "" if operates else "Administrators and operators of the reviewing teams manage queues."
        return (
            Button("Create a queue…", f"{list_of(Queue)}do/create/", "main", away),
            Button("From a template…", f"{list_of(Queue)}do/template/", "", away),
        )

    @admin.display(description="reviewers")
    def teams(self, row: Queue) -> str:
        """Name the teams, and who reviews in person."""
        return ", ".join([*(team.slug for team in row.reviewers.all()), *(one.username for one in row.people.all())])

    @admin.display(description="stays open", ordering="ttl_seconds")
    def ttl(self, row: Queue) -> str:
        """Write how long requests stay open."""
        return format_ttl(row.ttl_seconds)

    def page(self, request: HttpRequest, row: Queue) -> Sheet:
        """Show the queue's rules and what waits in it."""
        user = viewer(request)
        away = _away(user, row)
        over = row.confirm_amount_over
        return Sheet(
            f"Queue {row.slug}",
            (
                Fact("Waiting here", _waiting(row, user)),
                Fact("Reviewers", self.teams(row)),
                Fact("Approvals needed", row.quorum),
                Fact("Who can vote now", _voters(row)),
                Fact("Requests stay open", format_ttl(row.ttl_seconds)),
                Fact("Reviewers may edit", "yes" if row.edits else "no"),
                Fact("The editor may approve the edit", "yes" if row.editor_may_approve else "no"),
                Fact("The agent's owner may vote", "yes" if row.owner_may_approve else "no"),
                Fact("Approved in one step", f"up to {row.bulk_limit}" if row.bulk_limit else "one by one"),
                Fact("The amount is typed above", over or "never"),
                Fact("Holds at most", formats.plural(row.capacity, "open request") if row.capacity else "any number"),
                Fact("Escalates", _escalates(row)),
                Fact("Takes by itself", takes_in_words(row.matches)),
                Fact("Published rules that send here", ", ".join(rules_naming(row)) or "none: nothing new comes here"),
            ),
            (
                Button("Edit the queue…", self.address(row, "edit"), "main", away),
                Button("Delete the queue…", self.address(row, "delete"), "danger", away),
            ),
        )


def _away(user: User, row: Queue) -> str:
    try:
        may_manage_queue(user, before=list(row.reviewers.all()), after=[], people=list(row.people.all()))
    except Forbidden as refusal:
        return refusal.detail
    return ""


def _voters(row: Queue) -> str:
    """Count who can vote, so that a quorum that nobody can reach shows."""
    people = row.voters().count()
    short = f"; a quorum of {row.quorum} cannot be reached" if people < row.quorum else ""
    return f"{people} {'person' if people == 1 else 'people'}{short}"


def _escalates(row: Queue) -> str:
    if row.escalate_to is None or row.escalate_after_seconds is None:
        return "never"
    return f"after {format_ttl(row.escalate_after_seconds)}: the reviewers of {row.escalate_to.slug} may vote as well"


def _waiting(row: Queue, user: User) -> SafeString | str:
    """List what waits, of what the person sees, soonest deadline first."""
    rows = ApprovalRequest.objects.in_time(timezone.now()).visible_to(user).filter(queues=row)
    rows = rows.select_related("agent", "decision").order_by("expires_at", "id")
    found_rows = list(rows[: _SHOWN + 1])
    if not found_rows:
        return "nothing"
    lines = [
        format_html(
            '<a href="{}">{} by {}</a>, expires {}',
            page_of(one), one.decision.verb, one.agent.slug, draw_deadline(one.expires_at),
        )
        for one in found_rows[:_SHOWN]
    ]  # fmt: skip
    if len(found_rows) > _SHOWN:
        lines.append(format_html('<a href="{}">and more</a>', list_of(ApprovalRequest, "show=open")))
    return format_html_join("", "<div>{}</div>", ((line,) for line in lines))
