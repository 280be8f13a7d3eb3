"""People are told what concerns them, where and when they want, through the same guard; nothing of a payload."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from approvals.models import ApprovalRequest, Queue
from approvals.operations import cancel_request
from audit.models import Entry
from audit.refusals import Conflict, Invalid, Missing
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.delivery.channels import BadAddress, read_address
from controlplane.delivery.models import Channel, Delivery
from controlplane.delivery.notices import NOTICES, when_to_tell
from controlplane.delivery.operations import add_channel, choose_kinds, claim, remove_channel, try_channel
from controlplane.delivery.readers.notices import NOTICES_READER
from controlplane.delivery.states import DeliveryState, Means
from controlplane.outgoing import UnsafeUrl
from registry.models import User
from registry.preferences import Preferences
from tests.delivery.sink import NAME, Names, Sink, guarded
from tests.delivery.steps import SOON, happen, read_on, send
from tests.world import NOW, World

DOCUMENT = """
queues:
  outreach: {reviewers: [talent], quorum: 1, ttl: 24h}
policies:
  mails: {mode: enforce, rules: [{review: {name: mail, verb: "email.**", queue: outreach}}]}
"""
BERLIN = ZoneInfo("Europe/Berlin")


def channel(user: User, sink: Sink, *, name: str = "mine", kinds: tuple[str, ...] = ()) -> Channel:
    address = f"json://{NAME}:{sink.port}/tell"
    return add_channel(name=name, address=address, kinds=kinds, by=user, now=NOW, guard=guarded())


def held(world: World) -> ApprovalRequest:
    """Have a mail held."""
    if not Queue.objects.exists():
        apply_document(text=DOCUMENT, by=world.admin, now=NOW, dry_run=False)
    raw = json.dumps({"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}).encode()
    answer = gateway.ask(
        principal=world.principal, key=f"k{ApprovalRequest.objects.count()}", raw=raw, clock=lambda: SOON
    )
    assert answer.effect == "review"
    return ApprovalRequest.objects.latest("id")


def told() -> list[Delivery]:
    return list(Delivery.objects.filter(means="notice").order_by("id"))


def test_reviewers_are_told_what_waits(world: World, sink: Sink) -> None:
    channel(world.reviewer, sink)
    channel(world.stranger, sink)
    # The operator issued the asking key, and may not vote.
    channel(world.operator, sink)
    request = held(world)
    read_on(NOTICES_READER)
    (row,) = told()
    assert row.channel is not None
    assert row.channel.user == world.reviewer
    assert send() == 1
    (got,) = sink.received
    message = json.loads(got.body)
    assert message["message"] == "email.send by job-applier waits for you, until 2026-11-24 10:00 UTC"
    assert message["url"].endswith(f"/approvals/approvalrequest/{request.pk}/")
    assert b"jane" not in got.body.lower()
    row.refresh_from_db()
    assert row.state == DeliveryState.DELIVERED
    assert Entry.objects.filter(kind="delivery.noticed").count() == 1


@pytest.mark.parametrize(
    ("kind", "facts", "owner", "operator", "stranger"),
    [
        ("failure.new", {}, True, False, False),
        ("failure.new", {"agent": ""}, False, True, False),
        ("budget.threshold", {"agent": "", "object_id": "talent-month"}, False, True, False),
        ("budget.threshold", {"agent": "", "team": ""}, False, False, False),
        ("kill_switch.thrown", {"agent": "", "team": ""}, True, True, True),
        ("kill_switch.thrown", {"agent": "", "team": "billing"}, False, False, True),
        ("trigger.fired", {"agent": "", "object_id": "many-denials"}, False, True, False),
        ("agent.paused", {}, False, False, False),
    ],
)
def test_who_is_told(
    world: World, sink: Sink, kind: str, facts: dict[str, Any], owner: bool, operator: bool, stranger: bool
) -> None:
    for user in (world.owner, world.operator, world.stranger):
        channel(user, sink)
    happen(kind, **facts)
    read_on(NOTICES_READER)
    names = {row.channel.user.username for row in told() if row.channel}
    expected = {"talent-lead": owner, "talent-operator": operator, "billing-operator": stranger}
    assert names == {name for name, is_told in expected.items() if is_told}


def test_a_channel_is_told_the_chosen_kinds_only(world: World, sink: Sink) -> None:
    chosen = channel(world.owner, sink, kinds=("kill",))
    happen("failure.new")
    read_on(NOTICES_READER)
    assert told() == []
    choose_kinds(channel=chosen, kinds=["failure", "kill"], by=world.owner, now=NOW)
    happen("failure.new")
    read_on(NOTICES_READER)
    assert len(told()) == 1


def test_old_news_are_not_told(world: World, sink: Sink) -> None:
    channel(world.owner, sink)
    happen("failure.new")
    read_on(NOTICES_READER, now=SOON + timedelta(hours=25))
    assert told() == []


def test_delegates_are_told_as_well(world: World, sink: Sink) -> None:
    channel(world.second, sink)
    held(world)
    # Somebody of no team, who sees nothing of it, is not told for anybody.
    channel(world.stranger, sink)
    absent = {"delegate_from": NOW - timedelta(days=1), "delegate_until": NOW + timedelta(days=1)}
    User.objects.filter(pk=world.reviewer.pk).update(delegate=world.stranger, **absent)
    read_on(NOTICES_READER)
    assert [row.channel.user for row in told() if row.channel] == [world.second]


def test_quiet_hours_hold_back_what_is_not_urgent(world: World, sink: Sink) -> None:
    User.objects.filter(pk=world.owner.pk).update(quiet_from=time(9), quiet_until=time(12), zone="UTC")
    channel(world.owner, sink)
    happen("failure.new")
    happen("kill_switch.thrown", team="", agent="")
    read_on(NOTICES_READER)
    assert send() == 1, "only what is urgent"
    assert json.loads(sink.received[0].body)["kind"] == "kill_switch.thrown"
    assert send(SOON + timedelta(hours=2, minutes=15)) == 1


def test_what_was_decided_in_the_meantime_is_not_told(world: World, sink: Sink) -> None:
    User.objects.filter(pk=world.reviewer.pk).update(quiet_from=time(9), quiet_until=time(12), zone="UTC")
    channel(world.reviewer, sink, kinds=("waiting",))
    request = held(world)
    read_on(NOTICES_READER)
    cancel_request(request=request, by=world.operator, now=SOON, reason="not needed")
    assert send(SOON + timedelta(hours=3)) == 0
    (row,) = told()
    assert (row.state, row.last_error) == (DeliveryState.CANCELLED, "it was decided in the meantime")
    assert sink.connections == 0


def test_when_to_tell_across_midnight_and_daylight_saving() -> None:
    night = Preferences("Europe/Berlin", time(22), time(7))
    evening = NOW.replace(hour=22)  # 23:00 in Berlin
    assert when_to_tell(night, urgent=True, now=evening) == evening
    assert when_to_tell(night, urgent=False, now=evening).astimezone(BERLIN).time() == time(7)
    always = Preferences("UTC", time(0), time(0))
    assert when_to_tell(Preferences(), urgent=False, now=NOW) == NOW
    assert when_to_tell(always, urgent=False, now=NOW) >= NOW


def test_urgent_kinds() -> None:
    assert {word for word, notice in NOTICES.items() if notice.urgent} == {"reminder", "break_glass", "kill"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "https://example.org/hook",
        "http://example.org/",
        "file:///etc/passwd",
        "exec://rm",
        "syslog://localhost",
        "dbus://",
        "windows://",
        "gnome://",
        "notifyscript:///bin/sh",
        "apprise://example.org/token",
        "mailto://user:pass@example.org:22?to=a@b.example",
        "mailtos://user:pass@example.org?to=a@b.example&attach=/etc/passwd",
        "mailtos://user:pass@example.org?pgpkey=/etc/passwd&pgp=yes",
        "mailtos://user:pass@example.org?+Bcc=x@y.example",
        "workflows://attacker.example:443/a/b",
        "workflows://prod-1.westus.logic.azure.com:443/a/b?template=/etc/passwd",
        "https://prod-1.westus.logic.azure.com/workflows/a/triggers/manual/paths/invoke?sig=x&template=y",
        "https://hooks.slack.com.attacker.example/services/T/B/X",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd",
        "jsons://user:password@example.org/",
        "jsons://example.org/?:template=x",
        "jsons://example.org/?+Host=inside",
        "json://example.org/#x",
        "ntfys://example.org/topic?attach=file:///etc/passwd",
        "jsons://exa mple.org/",
        "jsons://bücher.example/",
        "jsons://" + "a" * 1000,
    ],
)
def test_addresses_that_are_not_admitted(address: str) -> None:
    with pytest.raises(BadAddress):
        read_address(address)


@pytest.mark.parametrize(
    ("address", "scheme", "host"),
    [
        ("mailtos://user:pass@example.org?to=a@b.example", "mailtos", ""),
        ("mailtos://user:pass@example.org?smtp=mail.example.org", "mailtos", "mail.example.org"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "slack", "hooks.slack.com"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIia", "slack", "hooks.slack.com"),
        ("workflows://prod-1.westus.logic.azure.com:443/a/b", "workflows", "prod-1.westus.logic.azure.com"),
        ("jsons://example.org/hook", "jsons", "example.org"),
        ("ntfys://ntfy.sh/topic", "ntfys", "ntfy.sh"),
    ],
)
def test_addresses_that_are_admitted(address: str, scheme: str, host: str) -> None:
    found = read_address(address)
    assert (found.scheme, found.host) == (scheme, host)


@pytest.mark.parametrize("address", ["jsons://inside.example/", "ntfys://inside.example/t", "jsons://127.0.0.1/"])
def test_a_channel_does_not_lead_inside(world: World, address: str) -> None:
    guard = guarded(Names(**{"inside.example": ["10.0.0.1"]}))
    with pytest.raises(UnsafeUrl) as refused:
        add_channel(name="x", address=address, kinds=[], by=world.owner, now=NOW, guard=guard)
    assert refused.value.errors[0].pointer == "/address"


@pytest.mark.parametrize(
    "address",
    [
        f"mailto://user:pass@{NAME}?to=a@b.example&smtp=inside.example",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "workflows://prod-1.westus.logic.azure.com:443/643e69f83c8944438d68119179a10a64/8tZ_Xc",
    ],
)
@pytest.mark.slow  # loads the library
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_the_library_sends_is_checked_before_each_attempt(world: World, sink: Sink, address: str) -> None:
    """The host was public when the channel was made, and leads inside when it is used."""
    hosts = ("inside.example", "hooks.slack.com", "prod-1.westus.logic.azure.com")
    names = Names(**{host: [["93.184.216.34"], ["127.0.0.1"]] for host in hosts})
    guard = guarded(names)
    made = add_channel(name="x", address=address, kinds=[], by=world.owner, now=NOW, guard=guard)
    try_channel(channel=made, by=world.owner, now=NOW)
    send(guard=guard)
    (row,) = told()
    assert row.state == DeliveryState.RETRYING
    assert row.last_error == "the address is not admitted or does not resolve"


def test_an_address_is_kept_encrypted_and_bound_to_its_row(world: World, sink: Sink) -> None:
    first, second = channel(world.owner, sink, name="a"), channel(world.owner, sink, name="b")
    stored = list(Channel.objects.values())
    assert f":{sink.port}" not in str([{**row, "hint": ""} for row in stored])
    assert first.hint == "tell"
    # A ciphertext that is copied to another row opens nothing.
    Channel.objects.filter(pk=second.pk).update(address=first.address)
    second.refresh_from_db()
    try_channel(channel=second, by=world.owner, now=NOW)
    send()
    assert told()[0].last_error == "its secret cannot be decrypted with the installation's keys"
    assert sink.connections == 0


def test_channels_are_ones_own(world: World, sink: Sink) -> None:
    made = channel(world.owner, sink)
    for operation in (
        lambda: choose_kinds(channel=made, kinds=[], by=world.admin, now=NOW),
        lambda: remove_channel(channel=made, by=world.admin, now=NOW),
        lambda: try_channel(channel=made, by=world.admin, now=NOW),
    ):
        with pytest.raises(Missing):
            operation()
    assert not Channel.objects.visible_to(world.admin).exists()
    with pytest.raises(Conflict):
        channel(world.owner, sink)
    with pytest.raises(Invalid):
        channel(world.owner, sink, name="c", kinds=("nonsense",))
    happen("failure.new")
    read_on(NOTICES_READER)
    remove_channel(channel=made, by=world.owner, now=NOW)
    assert told()[0].state == DeliveryState.CANCELLED
    kinds = list(Entry.objects.about("channel", made.audit_id).order_by("id").values_list("kind", flat=True))
    assert kinds == ["channel.added", "channel.removed"]


def test_callbacks_that_hang_hold_up_nobodys_notification(world: World, sink: Sink) -> None:
    made = channel(world.owner, sink)
    try_channel(channel=made, by=world.owner, now=NOW)
    (job,) = claim(now=SOON, most=9, each=1, busy={Means.CALLBACK: 4})
    assert job.means == Means.NOTICE
