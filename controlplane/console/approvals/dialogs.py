"""What people say to a held action: approve, reject, edit, cancel; and to a grant: revoke, settle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict

from approvals.amounts import amount_to_confirm
from approvals.models import ApprovalRequest, Grant
from approvals.operations import cancel_request, read_bytes, settle_unknown, vote
from approvals.operations.opening import current_revision, first_opened, require_opened
from approvals.permissions import may_read_bytes, may_revoke, require_edit, require_vote
from approvals.states import ApprovalState, GrantState, Verdict
from audit.canonical import dumps, loads
from audit.refusals import Conflict, Forbidden, PreconditionFailed
from controlplane import gateway
from controlplane.console import formats
from controlplane.console.admins import list_of
from controlplane.console.approvals.beside import next_for
from controlplane.console.approvals.page import editable
from controlplane.console.approvals.reach import reach_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, ExactField, Reason, Words
from controlplane.console.text import named
from registry.permissions import may_operate, require


class Seen(forms.Form):
    """Which revision the person has read: it goes with the vote, so that nobody signs what they did not see."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    digest = forms.CharField(min_length=64, max_length=64, widget=forms.HiddenInput)


class Approving(Seen):
    """An approval."""

    comment = forms.CharField(
        label="Comment", max_length=LONGEST_REASON, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class ApprovingLarge(Approving):
    """An approval of so much that the amount is typed."""

    confirmed_amount = forms.CharField(
        label="Amount", max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Type it as it stands in the request, for example 820.00 USD.",
    )  # fmt: skip
    field_order = ("confirmed_amount", "comment")


class Rejecting(Seen):
    """A rejection, with its reason."""

    kind = forms.ChoiceField(
        label="Reason", required=False, widget=forms.RadioSelect(attrs={"class": "cp-chips-row"}),
        choices=(("Wrong recipient", "Wrong recipient"), ("Content", "Content"), ("Unsafe", "Unsafe")),
    )  # fmt: skip
    comment = forms.CharField(
        label="In words", max_length=LONGEST_REASON - 20, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The agent's people read it. One of the two is needed.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Join both; one of them is needed."""
        data = super().clean() or {}
        said = [part for part in (data.get("kind"), data.get("comment", "").strip()) if part]
        if not said and "comment" not in self.errors:
            self.add_error("comment", "This field is required.")
        data["comment"] = ": ".join(said)
        return data


class Editing(Seen):
    """A new revision of the action."""

    destination = ExactField(label="Destination", max_length=2048, required=False)
    units = forms.IntegerField(label="Units", min_value=1, required=False, help_text="How many things it touches.")
    amount_value = forms.CharField(label="Amount", max_length=40, required=False)
    amount_currency = forms.CharField(label="Currency", max_length=3, required=False, help_text="ISO 4217")
    payload = ExactField(
        label="Payload", strip=False, max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 18, "class": "cp-code", "spellcheck": "false"}),
        help_text="The exact JSON that will be executed. Invisible characters are written as escapes.",
    )  # fmt: skip
    data_classes = forms.CharField(
        label="Data classes", max_length=4000, required=False,
        help_text="Divided by commas; those of the verb catalogue stay in any case.",
    )  # fmt: skip
    field_order = ("payload", "destination", "units", "amount_value", "amount_currency", "data_classes")


class HeldDialog(Dialog):
    """A dialog about a held action, at the revision that was read."""

    row: ApprovalRequest
    form_class: ClassVar[type[forms.Form]] = Seen
    stale_words = "Read the present revision, with what changed."

    def initial(self) -> dict[str, Any]:
        """Carry the revision that the page showed."""
        seen: QueryDict = self.request.GET
        return {"revision": seen.get("revision", ""), "digest": seen.get("digest", "")}

    def check(self) -> None:
        """Say before a word is written that it is over, that another revision came, or that the vote is not theirs.

        Raises:
            Conflict: decided, or its time is over.
            PreconditionFailed: another revision is current.
        """
        if not self.row.is_open(self.now):
            raise Conflict(f"Already {self.row.state}." if self.row.closed_at else "This request expired.")
        self.check_right()
        if str(self.row.revision) != self.request.GET.get("revision"):
            raise PreconditionFailed(f"Revision {self.row.revision} arrived while you read.")

    def back(self) -> str:
        """Lead to the page; where another revision arrived, to what it changed."""
        stale = self.request.GET.get("revision", "") not in {"", str(self.row.revision)}
        return f"{super().back()}{'#changes' if stale else ''}"

    def check_right(self) -> None:
        """Check the vote."""
        current = current_revision(self.row)
        require_vote(self.row, self.user, author_id=current.author_id, queues=list(self.row.queues.all()))

    def cast(self, verdict: Verdict, data: Mapping[str, Any]) -> ApprovalRequest:
        """Cast the vote."""
        return vote(
            request_id=self.row.pk,
            revision=data["revision"],
            verdict=verdict,
            digest=data["digest"],
            comment=data["comment"],
            confirmed_amount=data.get("confirmed_amount", ""),
            by=self.user,
            now=self.now,
        )

    def onward(self) -> str:
        """Return where the person goes on: the next request that waits for them, else the list."""
        following = next_for(self.user, now=self.now, but=self.row)
        return self.pages.address(following) if following else list_of(ApprovalRequest)


class Approve(HeldDialog):
    """Say yes to exactly these bytes."""

    form_class = Approving

    def check(self) -> None:
        """Refuse whoever came by a link and has not opened the bytes.

        Raises:
            NotOpened: they were never opened by this person.
        """
        super().check()
        require_opened(first_opened(self.row, self.user, current_revision(self.row).digest))

    def words(self) -> Words:
        """Name the effect."""
        verb, agent = self.row.decision.verb, self.row.agent.slug
        facts = current_revision(self.row).facts
        # As on the page: whoever may not read the bytes is told how many destinations there are. A form that is sent
        # comes here before anything is checked.
        readable = may_read_bytes(self.row, self.user)
        reach = reach_of(facts) if readable else formats.plural(len(facts["destinations"]), "destination")
        return Words(
            f"Approve {verb} of {agent}?",
            (
                f"It goes to {named(reach)}.",
                "When the last approval is in, the agent may execute the bytes you read, once, within 15 minutes.",
                "Policy, limits and budget are checked again at that moment.",
            ),
            f"Approve {verb}",
        )

    def make_form(self, data: Any = None) -> forms.Form:
        """Ask for the amount where a queue wants it typed."""
        queues = list(self.row.queues.all())
        large = amount_to_confirm(queues, current_revision(self.row).facts) is not None
        return (ApprovingLarge if large else Approving)(data, initial=self.initial())

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Vote; say what is still needed."""
        request = self.cast(Verdict.APPROVE, data)
        if request.state == ApprovalState.APPROVED:
            return Done(f"Approved. {request.agent.slug} may execute it once, within 15 minutes.", self.onward())
        return Done("Your approval is in; it needs another one.", self.onward())


class Reject(HeldDialog):
    """Say no: it closes the request."""

    form_class = Rejecting

    def words(self) -> Words:
        """Name the effect."""
        verb, agent = self.row.decision.verb, self.row.agent.slug
        return Words(
            f"Reject {verb} of {agent}?",
            ("One rejection closes the request. The agent hears that it may not, and has to ask anew.",),
            f"Reject {verb}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Vote."""
        self.cast(Verdict.REJECT, data)
        return Done(f"Rejected. {self.row.agent.slug} may not execute it.", self.onward())


class Edit(HeldDialog):
    """Put other bytes in the place of these."""

    form_class = Editing

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit what {self.row.agent.slug} would execute",
            (
                "Your edit becomes a new revision. Votes on the old one are void, and the policy decides again.",
                "Someone else must approve what you wrote, unless the queue says otherwise. The deadline stays.",
            ),
            "Save new revision",
        )

    def check_right(self) -> None:
        """Check the right to edit."""
        facts = current_revision(self.row).facts
        require_edit(self.row, self.user, queues=list(self.row.queues.all()), facts=facts)

    def initial(self) -> dict[str, Any]:
        """Hold the current action; opening it reads its bytes, which is audited."""
        if self.request.method == "POST":
            # What was opened comes back with the form.
            return super().initial()
        return {**super().initial(), **editable(read_bytes(request=self.row, by=self.user, now=self.now))}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Send what the person wrote, read as strictly as what an agent sends."""
        change = {
            "destination": data["destination"] or None,
            "units": data["units"],
            "amount": _amount(data),
            "payload": loads(data["payload"].encode("utf-8", "surrogatepass")),
            "data_classes": [label.strip() for label in data["data_classes"].split(",") if label.strip()],
        }
        request = gateway.edit(request_id=self.row.pk, revision=data["revision"], raw=dumps(change), by=self.user)
        return Done(f"Revision {request.revision} is in place. Earlier votes are void.", self.pages.address(self.row))


def _amount(data: Mapping[str, Any]) -> dict[str, str] | None:
    if not data["amount_value"] and not data["amount_currency"]:
        return None
    return {"value": data["amount_value"], "currency": data["amount_currency"]}


class Cancel(Dialog):
    """Close a request without a decision."""

    row: ApprovalRequest
    form_class = Reason

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Cancel the request of {self.row.agent.slug}?",
            ("Nobody decides it any more. The agent has to ask anew.",),
            "Cancel the request",
            danger=True,
        )

    def check(self) -> None:
        """Operators of the agent's team and administrators cancel."""
        may_operate(self.user, self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Cancel."""
        self.check()
        cancel_request(request=self.row, by=self.user, now=self.now, reason=data["reason"])
        return Done("The request is cancelled.", self.pages.address(self.row))


class Revoke(Dialog):
    """Void a grant that was not used yet."""

    form_class = Reason

    def grant(self) -> Grant:
        """Return the grant that is meant: its approvers reach it by their request."""
        if isinstance(self.row, Grant):
            return self.row
        grant = Grant.objects.select_related("agent").filter(approval=self.row).first()
        if grant is None:
            raise Conflict("No grant came out of it.")
        return grant

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Revoke the grant of {self.row.agent.slug}?",
            ("Its redemption is refused from now on. What was executed already cannot be recalled.",),
            "Revoke the grant",
            danger=True,
        )

    def check(self) -> None:
        """Its approvers, operators of the team and administrators revoke."""
        require(may_revoke(self.grant(), self.user), "Its approvers and operators of the team revoke a grant.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Revoke."""
        self.check()
        gateway.revoke(grant=self.grant(), reason=data["reason"], by=self.user, now=self.now)
        return Done("The grant is revoked.", self.pages.address(self.row))


class Outcome(Reason):
    """What came of it."""

    outcome = forms.ChoiceField(choices=((GrantState.SUCCEEDED, "It succeeded"), (GrantState.FAILED, "It failed")))
    field_order = ("outcome", "reason")


class Settle(Dialog):
    """Say what came of an action whose executor never reported."""

    form_class = Outcome

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Say what came of it",
            ("Nobody reported an outcome in time. Look at the destination first: this closes the grant for good.",),
            "Save the outcome",
        )

    def check(self) -> None:
        """Only an unknown outcome is settled."""
        if self.row.state != GrantState.OUTCOME_UNKNOWN:
            raise Forbidden("Only an unknown outcome is settled by a person.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Settle."""
        settle_unknown(
            grant=self.row,
            succeeded=data["outcome"] == GrantState.SUCCEEDED,
            reason=data["reason"],
            by=self.user,
            now=self.now,
        )
        return Done("The outcome is settled.", self.pages.address(self.row))
