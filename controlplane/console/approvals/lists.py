"""The approval inbox, and the lists of queues and grants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.amounts import money_of
from approvals.models import ActionRevision, ApprovalRequest, Grant, Vote
from approvals.states import ApprovalState, GrantState, Verdict
from controlplane.console import formats
from controlplane.console.admins import EVERYBODY, Button, ConsoleAdmin, Empty, Fact, Sheet, page_of
from controlplane.console.approvals.bulk import ApproveSeveral
from controlplane.console.approvals.dialogs import Approve, Cancel, Edit, Reject, Revoke, Settle
from controlplane.console.approvals.glass import BreakGlass, Overrule
from controlplane.console.approvals.page import ApprovalPage, read_approval
from controlplane.console.approvals.reach import reach_of
from controlplane.console.lists import ByAgent, ByTeam, Since, Tab, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.overriding import MarkOverride
from controlplane.console.tags import draw_deadline, draw_state, draw_time, make_visible
from registry.models import User

Rows = QuerySet[Any]
_LONGEST_PLACE: Final = 80


def _mine(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.in_time(now).awaiting(user).order_by("expires_at", "id")  # type: ignore[attr-defined,no-any-return]


def _open(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.in_time(now).order_by("expires_at", "id")  # type: ignore[attr-defined,no-any-return]


def _decided(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.exclude(state=ApprovalState.PENDING).order_by("-id")


def _all(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.order_by("-id")


_Keep = Callable[[Rows, User, datetime], Rows]


class Inbox(Tab):
    """What waits for me, what waits, what is decided."""

    tabs = (
        ("mine", "Mine", _mine),
        ("open", "All open", _open),
        ("decided", "Decided", _decided),
        ("all", "All", _all),
    )


class TeamThen(ByTeam):
    """The team that the agent had then."""

    column = "team"


class SinceAsked(Since):
    """When it was asked."""

    column = "created_at"


class ApprovalPages(ConsoleAdmin):
    """Held actions."""

    plural = "Approvals"
    roles = EVERYBODY
    related = ("agent__team", "agent__owner", "decision", "overridden_by")
    page_template = "console/approvals/page.html"
    dialogs = {
        "approve": Approve,
        "reject": Reject,
        "edit": Edit,
        "cancel": Cancel,
        "revoke": Revoke,
        "override": MarkOverride,
        "break-glass": BreakGlass,
        "overrule": Overrule,
    }
    list_dialogs = {"bulk": ApproveSeveral}
    empty = Empty(
        "Nothing waits here.", "What an agent asks and a policy holds back appears here, soonest deadline first."
    )
    list_display = ("asks", "standing", "rated", "reach", "units", "amount", "of_agent", "approvals", "until")
    list_filter = (Inbox, "state", "risk", ByAgent, TeamThen, SinceAsked)
    # Of Home: what was decided since somebody was here, and what was approved in the reviewers' place.
    link_lookups = frozenset({"closed_at__gte", "overridden_by__isnull"})
    search_fields = ("decision__verb", "agent__slug", "agent__name")
    search_help_text = "Search verb or agent"
    ordering = ("expires_at", "id")

    standing = state_column("approval")

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Join what the rows show; queues come in one further query."""
        return super().get_queryset(request).prefetch_related("queues")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the votes of the shown page in one query, ask in another whose bytes the person may see.

        What people edited is read in a third.
        """
        cl = super().get_changelist_instance(request)
        shown = [row.pk for row in cl.result_list]
        votes = Vote.objects.filter(request__in=shown, verdict=Verdict.APPROVE)
        found = {
            (row["request"], row["revision"]): row["n"]
            for row in votes.values("request", "revision").annotate(n=Count("id"))
        }
        readable = ApprovalRequest.objects.filter(pk__in=shown).readable_by(viewer(request)).order_by()
        open_to = set(readable.values_list("pk", flat=True))
        for row in cl.result_list:
            row.approvals_now = found.get((row.pk, row.revision), 0)
            row.is_readable = row.pk in open_to
        edited = [row.pk for row in cl.result_list if row.revision > 1]
        if edited:
            present = ActionRevision.objects.filter(request__in=edited, number=F("request__revision"))
            facts = dict(present.values_list("request", "facts"))
            for row in cl.result_list:
                row.facts_now = facts.get(row.pk)
        return cl

    @admin.display(description="asks to")
    def asks(self, row: ApprovalRequest) -> str:
        """Name the verb."""
        return row.decision.verb

    @admin.display(description="risk")
    def rated(self, row: ApprovalRequest) -> SafeString:
        """Draw the tier that it had when these bytes were written."""
        return draw_state(row.risk, "risk") if row.risk else SafeString("–")

    @admin.display(description="agent", ordering="agent__slug")
    def of_agent(self, row: ApprovalRequest) -> str:
        """Name the agent; its page is not every reviewer's."""
        return row.agent.slug

    @admin.display(description="destination")
    def reach(self, row: Any) -> SafeString | str:
        """Say where it goes; whoever may not see the bytes is told how many destinations, and not which."""
        facts = _facts(row)
        if not row.is_readable:
            return formats.plural(len(facts["destinations"]), "destination")
        return format_html("<bdi>{}</bdi>", make_visible(_cut(reach_of(facts))))

    @admin.display(description="units")
    def units(self, row: Any) -> str:
        """Write how many things it touches."""
        return formats.plural(_facts(row)["units"], "unit")

    @admin.display(description="amount")
    def amount(self, row: Any) -> str:
        """Write the money that it moves, to whoever may see the bytes."""
        money = money_of(_facts(row))
        if money is None:
            return "–"
        return formats.amount(money) if row.is_readable else "hidden"

    @admin.display(description="approvals")
    def approvals(self, row: Any) -> str:
        """Count approvals of the current revision against the queues' needs."""
        queues = ", ".join(f"{queue.slug} {queue.quorum}" for queue in row.queues.all())
        return f"{row.approvals_now} in · needs {queues}"

    @admin.display(description="expires", ordering="expires_at")
    def until(self, row: ApprovalRequest) -> SafeString:
        """Write the deadline, or when it was closed."""
        if row.is_open(timezone.now()):
            return draw_deadline(row.expires_at)
        return format_html("{}", draw_time(row.closed_at or row.expires_at))

    def page(self, request: HttpRequest, row: ApprovalRequest) -> ApprovalPage:
        """Read the approval page; its bytes are opened, and the trail says so."""
        return read_approval(row, user=viewer(request), now=timezone.now())


def _facts(row: Any) -> Mapping[str, Any]:
    """Return what the present revision touches: of an edited one its own facts, else those of the decision."""
    edited: Mapping[str, Any] | None = getattr(row, "facts_now", None)
    if edited:
        return edited
    decision = row.decision
    amount = None
    if decision.amount_value is not None:
        amount = {"value": f"{decision.amount_value.normalize():f}", "currency": decision.amount_currency}
    return {"destinations": decision.destinations, "units": decision.units, "amount": amount}


def _cut(place: str) -> str:
    return place if len(place) <= _LONGEST_PLACE else f"{place[:_LONGEST_PLACE]}…"


class GrantPages(ConsoleAdmin):
    """Grants."""

    related = ("agent__team", "executor", "decision")
    dialogs = {"revoke": Revoke, "settle": Settle}
    empty = Empty("No grants yet.", "A grant is the single-use leave that comes out of an allowed or approved action.")
    list_display = ("verb", "standing", "of_agent", "issued", "redeemed", "expires")
    list_filter = ("state", ByAgent, TeamThen)
    search_fields = ("agent__slug", "decision__verb")

    of_agent = agent_column()
    standing = state_column("grant")
    issued = time_column("issued_at")
    redeemed = time_column("redeemed_at", empty="–")
    expires = time_column("expires_at")

    @admin.display(description="leave to", ordering="decision__verb")
    def verb(self, row: Grant) -> str:
        """Name the verb."""
        return row.decision.verb

    def page(self, request: HttpRequest, row: Grant) -> Sheet:
        """Show the grant and what can be done with it."""
        return Sheet(
            f"Grant to {row.decision.verb}",
            (
                Fact("State", draw_state(row.state, "grant")),
                Fact("Asked by", format_html('<a href="{}">{}</a>', page_of(row.agent), row.agent.slug)),
                Fact("May be redeemed by", row.executor.slug),
                Fact("Decision", format_html('<a href="{}">{}</a>', page_of(row.decision), row.decision_id)),
                Fact("Digest of the bytes", row.digest, code=True),
                Fact("Issued", draw_time(row.issued_at)),
                Fact("Expires", draw_time(row.expires_at)),
                Fact("Redeemed", draw_time(row.redeemed_at)),
                Fact("Outcome due", draw_time(row.outcome_due_at)),
                Fact("The executor says (untrusted)", row.outcome_note or "nothing"),
            ),
            self._buttons(row),
        )

    def _buttons(self, row: Grant) -> tuple[Button, ...]:
        if row.state == GrantState.ISSUED:
            return (Button("Revoke the grant…", self.address(row, "revoke"), "danger"),)
        if row.state == GrantState.OUTCOME_UNKNOWN:
            return (Button("Say what came of it…", self.address(row, "settle")),)
        return ()
