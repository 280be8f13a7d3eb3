"""Queues: who reviews what under which conditions, and what waits there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from approvals.models import ApprovalRequest, Queue
from approvals.operations import delete_queue, rules_naming, save_queue
from approvals.operations.queues import LONGEST_TTL, MOST_AT_ONCE, format_ttl
from approvals.permissions import may_manage_queue
from audit.refusals import Conflict, Forbidden
from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.dialogs import Done, NoForm, Words
from controlplane.console.people import viewer
from controlplane.console.registry.fields import FieldDialog, ManyNamed
from controlplane.console.tags import draw_deadline
from registry.amounts import AmountInvalid, Money, parse_money
from registry.models import Team, User
from registry.permissions import found

Rows = QuerySet[Any]
_SHOWN: Final = 10
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_TTL = RegexValidator(r"^[1-9][0-9]{0,5}[mhd]\Z", "A number and m, h or d: 30m, 24h, 7d.")


class Rules(forms.Form):
    """How a queue decides."""

    reviewers = ManyNamed(Team.objects.none(), name="slug", required=True, help_text="Their members may vote.")
    quorum = forms.IntegerField(
        label="Approvals needed", min_value=1, max_value=20, initial=1, help_text="Of distinct people; one no closes."
    )
    ttl = forms.CharField(
        label="Requests stay open", initial="24h", max_length=7, validators=[_TTL],
        help_text=f"30m, 24h, 7d; at most {format_ttl(LONGEST_TTL)}.",
    )  # fmt: skip
    edits = forms.BooleanField(label="Reviewers may edit the action", required=False, initial=True)
    editor_may_approve = forms.BooleanField(label="Who edited may approve the edit", required=False)
    owner_may_approve = forms.BooleanField(label="The agent's owner may vote", required=False, initial=True)
    bulk_limit = forms.IntegerField(
        label="Approved in one step", min_value=0, max_value=MOST_AT_ONCE, initial=0,
        help_text="Requests of one verb and one agent; 0: one by one.",
    )  # fmt: skip
    confirm_value = forms.CharField(
        label="Type the amount above", required=False, max_length=40, help_text="820.00; empty: nothing is typed."
    )
    confirm_currency = forms.CharField(label="Currency of it", required=False, max_length=3, help_text="USD, EUR …")

    def __init__(self, *args: Any, teams: Rows, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reviewers"] = ManyNamed(
            teams, name="slug", required=True, label="Reviewing teams", help_text="Their members may vote."
        )

    def clean(self) -> dict[str, Any]:
        """Read the amount, which is two fields."""
        data = dict(super().clean() or {})
        value, currency = data.get("confirm_value", ""), data.get("confirm_currency", "")
        data["over"] = None
        if value or currency:
            try:
                data["over"] = parse_money({"value": value, "currency": currency})
            except AmountInvalid as error:
                self.add_error("confirm_value", error.detail)
        return data


class NewRules(Rules):
    """A new queue."""

    slug = forms.CharField(max_length=64, help_text="Lower-case letters, digits, hyphens. Rules name it; it stays.")
    field_order = ("slug",)


class QueueDialog(FieldDialog):
    """A dialog that saves a queue."""

    @property
    def teams(self) -> Rows:
        """The teams that this person may let review."""
        return Team.objects.operated_by(self.user).order_by("slug")

    def save(self, slug: str, data: Mapping[str, Any]) -> bool:
        """Save it with what the form holds."""
        over: Money | None = data["over"]
        return save_queue(
            slug=slug,
            reviewers=[team.slug for team in data["reviewers"]],
            quorum=data["quorum"],
            ttl_seconds=int(data["ttl"][:-1]) * _UNITS[data["ttl"][-1]],
            edits=data["edits"],
            editor_may_approve=data["editor_may_approve"],
            owner_may_approve=data["owner_may_approve"],
            bulk_limit=data["bulk_limit"],
            confirm_amount_over=over,
            by=self.user,
            now=self.now,
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
        if not self.teams.exists():
            raise Forbidden("Queues are managed by administrators and by operators of all their reviewing teams.")

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams."""
        return NewRules(data, initial=self.initial(), teams=self.teams)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Create it."""
        slug = data["slug"]
        if Queue.objects.filter(slug=slug).exists():
            raise Conflict(f"A queue named {slug} exists already.")
        self.save(slug, data)
        return Done(f"The queue {slug} is created.", page_of(found(Queue.objects.filter(slug=slug))))


class Edit(QueueDialog):
    """Change a queue."""

    form_class = Rules
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
        may_manage_queue(self.user, before=list(self.row.reviewers.all()), after=[])

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
        }

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams."""
        return Rules(data, initial=self.initial(), teams=self.teams)

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
        may_manage_queue(self.user, before=list(self.row.reviewers.all()), after=[])

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Delete it."""
        slug = self.row.slug
        delete_queue(queue=self.row, by=self.user, now=self.now)
        return Done(f"The queue {slug} is deleted.", list_of(Queue))


class QueuePages(ConsoleAdmin):
    """Queues."""

    roles = EVERYBODY
    dialogs = {"edit": Edit, "delete": Delete}
    list_dialogs = {"create": Create}
    empty = Empty(
        "No queues yet.",
        "A queue names who reviews. Create one above, or describe queues in the installation's document:",
        "python3 manage.py apply FILE.yaml --by USER",
    )
    list_display = ("slug", "teams", "quorum", "ttl", "edits", "editor_may_approve", "owner_may_approve")
    search_fields = ("slug",)

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Bring the reviewing teams in one further query."""
        return super().get_queryset(request).prefetch_related("reviewers")

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to create one."""
        operates = Team.objects.operated_by(viewer(request)).exists()
        away = "" if operates else "Administrators and operators of the reviewing teams manage queues."
        return (Button("Create a queue…", f"{list_of(Queue)}do/create/", "main", away),)

    @admin.display(description="reviewing teams")
    def teams(self, row: Queue) -> str:
        """Name the teams."""
        return ", ".join(team.slug for team in row.reviewers.all())

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
                Fact("Reviewing teams", self.teams(row)),
                Fact("Approvals needed", row.quorum),
                Fact("Who can vote now", _voters(row)),
                Fact("Requests stay open", format_ttl(row.ttl_seconds)),
                Fact("Reviewers may edit", "yes" if row.edits else "no"),
                Fact("The editor may approve the edit", "yes" if row.editor_may_approve else "no"),
                Fact("The agent's owner may vote", "yes" if row.owner_may_approve else "no"),
                Fact("Approved in one step", f"up to {row.bulk_limit}" if row.bulk_limit else "one by one"),
                Fact("The amount is typed above", over or "never"),
                Fact("Published rules that send here", ", ".join(rules_naming(row)) or "none: nothing new comes here"),
            ),
            (
                Button("Edit the queue…", self.address(row, "edit"), "main", away),
                Button("Delete the queue…", self.address(row, "delete"), "danger", away),
            ),
        )


def _away(user: User, row: Queue) -> str:
    try:
        may_manage_queue(user, before=list(row.reviewers.all()), after=[])
    except Forbidden as refusal:
        return refusal.detail
    return ""


def _voters(row: Queue) -> str:
    """Count who can vote, so that a quorum that nobody can reach shows."""
    people = User.objects.filter(is_active=True, teams__in=row.reviewers.all()).distinct().count()
    short = f"; a quorum of {row.quorum} cannot be reached" if people < row.quorum else ""
    return f"{people} {'person' if people == 1 else 'people'}{short}"


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
