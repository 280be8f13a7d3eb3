"""What people do to webhooks and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpResponse

from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import Dialog, Done, ExactField, OptionalReason, Words
from controlplane.console.registry.fields import FieldDialog, Labels, Named
from controlplane.delivery import operations
from controlplane.delivery.models import Delivery, Endpoint
from controlplane.delivery.operations import Issued, Wanted
from controlplane.delivery.permissions import may_connect
from controlplane.no_secrets import refuse_secrets
from registry.models import Team
from registry.permissions import require
from registry.states import Role


class EndpointForm(forms.Form):
    """What a webhook is like."""

    name = forms.CharField(max_length=80)
    url = ExactField(
        label="URL", max_length=2048, help_text="https. Hosts inside only where the operator of the machine lists them."
    )
    kinds = Labels(label="Kinds of events", help_text="approval.requested, failure.*; nothing for all.")
    agents = Labels(help_text="Names of agents; nothing for all.")

    def wanted(self, data: Mapping[str, Any]) -> Wanted:
        """Return the form as the operation takes it."""
        return Wanted(data["name"], data["url"], data["kinds"], data["agents"], data.get("teams", ()))


class ChangedEndpointForm(EndpointForm):
    """A webhook changed over what was read."""

    seen = forms.CharField(min_length=64, max_length=64, widget=forms.HiddenInput)


class NewEndpointForm(EndpointForm):
    """A new one, and whose events it gets."""

    teams = Labels(label="Only teams", help_text="For everybody's events: names of teams; nothing for all.")

    def __init__(self, *args: Any, teams: Any, everybody: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["team"] = Named(
            teams, name="slug", label="Events of the team", required=not everybody,
            empty_label="everybody's" if everybody else "–",
        )  # fmt: skip
        if not everybody:
            del self.fields["teams"]
        self.order_fields(("name", "url", "team", "teams", "kinds", "agents"))


class ShowsSecret(FieldDialog):
    """A dialog whose result is a secret that is shown once; the page is kept by nobody."""

    def reveal(self, issued: Issued) -> HttpResponse:
        """Show it."""
        endpoint = issued.endpoint
        context = {
            "title": f"Secret of {endpoint.name}",
            "endpoint": endpoint,
            "secret": issued.secret,
            "back": page_of(endpoint),
        }
        response = self.framed("console/delivery/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


class CreateEndpoint(ShowsSecret):
    """Make a webhook."""

    form_class = NewEndpointForm

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Add a webhook",
            (
                "Events from now on are sent there, signed. They carry ids, kinds and digests, never a payload.",
                "Its secret is shown once, on the next page.",
            ),
            "Add the webhook",
        )

    def check(self) -> None:
        """Let pass whoever operates a team."""
        require(
            self.user.role == Role.ADMIN or Team.objects.operated_by(self.user).exists(),
            "Only operators of a team and administrators connect webhooks.",
        )

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer the teams whose events the person may send on."""
        teams = Team.objects.operated_by(self.user)
        return NewEndpointForm(data, teams=teams, everybody=self.user.role == Role.ADMIN)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Make it."""
        may_connect(self.user, data["team"])
        refuse_secrets({"url": data["url"]})
        wanted = NewEndpointForm.wanted(self, data)  # type: ignore[arg-type]  # reads nothing of the form
        return self.reveal(operations.create_endpoint(wanted=wanted, team=data["team"], by=self.user, now=self.now))


class EditEndpoint(FieldDialog):
    """Change a webhook."""

    form_class = ChangedEndpointForm
    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit {self.row.name}",
            ("What waits is sent to the new address. The secret stays as it is.",),
            "Save the webhook",
        )

    def initial(self) -> dict[str, Any]:
        """Hold what it is like now."""
        fields = {name: getattr(self.row, name) for name in ("name", "url", "kinds", "agents")}
        return {**fields, "seen": operations.digest_of(self.row)}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        refuse_secrets({"url": data["url"]})
        wanted = Wanted(data["name"], data["url"], data["kinds"], data["agents"], self.row.teams)
        operations.edit_endpoint(endpoint=self.row, wanted=wanted, by=self.user, now=self.now, seen=data["seen"])
        return Done("The webhook is saved.", self.back())


class Rotate(ShowsSecret):
    """Another secret."""

    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Rotate the secret of {self.row.name}?",
            (
                "A new secret is shown once, on the next page.",
                "Both sign for 24 hours, so that the receiver can change over; then the old one ends by itself.",
            ),
            "Make a new secret",
        )

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Rotate it."""
        return self.reveal(operations.rotate_secret(endpoint=self.row, by=self.user, now=self.now))


class Disable(Dialog):
    """Stop a webhook."""

    form_class = OptionalReason
    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Disable {self.row.name}?",
            ("Nothing is written down for it any more: events until it is enabled again are not sent later.",),
            "Disable the webhook",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Disable it."""
        operations.disable_endpoint(endpoint=self.row, reason=data["reason"], by=self.user, now=self.now)
        return Done("The webhook is disabled.", self.back())


class Enable(Dialog):
    """Start a webhook again."""

    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Enable {self.row.name}?",
            ("What still waits is sent now, and events from now on.",),
            "Enable the webhook",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Enable it."""
        operations.enable_endpoint(endpoint=self.row, by=self.user, now=self.now)
        return Done("The webhook is enabled.", self.back())


class Test(Dialog):
    """Send a test event."""

    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Send a test event to {self.row.name}?",
            ("It is signed and sent as any other. What came of it stands at its delivery, within seconds.",),
            "Send a test event",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Write it down."""
        delivery = operations.send_test(endpoint=self.row, by=self.user, now=self.now)
        return Done("The test event is on its way: load this page again to see its answer.", page_of(delivery))


class ReplayDead(Dialog):
    """Begin again with what was given up."""

    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Send again what {self.row.name} never took?",
            ("Up to 500 events, oldest first, under their old ids: a receiver that has one drops it.",),
            "Send them again",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Begin again."""
        done = operations.replay_dead(endpoint=self.row, by=self.user, now=self.now)
        return Done(f"{done} begin again." if done else "Nothing was given up.", self.back())


class DeleteEndpoint(Dialog):
    """Forget a webhook."""

    row: Endpoint

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Delete {self.row.name}?",
            ("Its secrets and its deliveries go with it. The audit trail keeps what was sent.",),
            "Delete the webhook",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Delete it."""
        operations.delete_endpoint(endpoint=self.row, by=self.user, now=self.now)
        return Done("The webhook is deleted.", list_of(Endpoint))


class Retry(Dialog):
    """Try a delivery now."""

    row: Delivery

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Send {self.row.kind} once more?",
            ("It is tried at once, under its old id. What was given up begins its schedule again.",),
            "Send it now",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Try it."""
        operations.retry(delivery=self.row, by=self.user, now=self.now)
        return Done("It is tried within a second.", self.back())


class Cancel(Dialog):
    """Send a delivery no more."""

    row: Delivery

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Send {self.row.kind} no more?",
            ("It stays in this list, and can be sent again later.",),
            "Cancel the delivery",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Cancel it."""
        operations.cancel(delivery=self.row, by=self.user, now=self.now)
        return Done("The delivery is cancelled.", self.back())


ENDPOINT = {
    "edit": EditEndpoint,
    "rotate": Rotate,
    "test": Test,
    "enable": Enable,
    "disable": Disable,
    "replay": ReplayDead,
    "delete": DeleteEndpoint,
}
DELIVERY = {"retry": Retry, "cancel": Cancel}
