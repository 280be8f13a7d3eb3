"""Events reach their endpoints signed, are tried again on schedule, and are never lost or doubled."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from standardwebhooks import Webhook

from audit.models import Entry
from controlplane.delivery import operations, schedule
from controlplane.delivery.judging import Meaning, Outcome, meaning_of
from controlplane.delivery.models import Attempt, Delivery
from controlplane.delivery.operations import callback_secret, claim, deliver_once, rotate_secret, settle
from controlplane.delivery.states import DeliveryState, EndpointState, Means
from controlplane.outgoing import UnsafeUrl
from tests.delivery.sink import NAME, Names, Sink, guarded, listening
from tests.delivery.steps import SOON, connect, happen, one, read_on, send
from tests.world import INSTALLATION, NOW, World

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.CALLBACK_HOSTS = (NAME,)


def test_an_event_arrives_signed_as_a_cloud_event(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    entry_id = happen(after="d" * 64, details={"decision": "x", "reason": "because of Jane"}, outcome="pending")
    read_on()
    assert send() == 1
    (got,) = sink.received
    with time_machine.travel(SOON, tick=False):
        event = Webhook(issued.secret).verify(got.body, got.headers)
    assert got.headers["webhook-id"] == event["id"] == str(entry_id)
    assert event["specversion"] == "1.0"
    assert event["type"] == "approval.requested"
    assert event["subject"] == "approval/1"
    assert event["datacontenttype"] == got.headers["content-type"] == "application/json"
    assert datetime.fromisoformat(event["time"]) == SOON
    assert int(event["sequence"]) > 0
    # Words of people stay inside; ids go out.
    assert event["data"]["details"] == {"decision": "x"}
    assert event["data"]["after_digest"] == "d" * 64
    assert b"Jane" not in got.body
    row = one(issued.endpoint)
    assert (row.state, row.last_status, row.closed_at) == (DeliveryState.DELIVERED, 204, SOON)
    assert list(Attempt.objects.values_list("delivery", "status")) == [(row.pk, 204)]
    assert Entry.objects.about("delivery", str(row.pk)).get().kind == "delivery.delivered"


@pytest.mark.parametrize(
    ("wanted", "facts", "gets"),
    [
        ({}, {}, True),
        ({"kinds": ["approval.*"]}, {}, True),
        ({"kinds": ["approval.requested"]}, {}, True),
        ({"kinds": ["approval"]}, {}, False),
        ({"kinds": ["approval.decided", "failure.*"]}, {}, False),
        ({"agents": ["job-applier"]}, {}, True),
        ({"agents": ["other"]}, {}, False),
        ({}, {"team": "billing"}, False),
        ({}, {"team": ""}, False),
        ({}, {"now": NOW - HOUR}, False),
        # What is about sending is not sent, or it would never end.
        ({}, {"kind": "delivery.delivered"}, False),
        ({}, {"kind": "webhook.changed"}, False),
    ],
)
def test_an_endpoint_gets_what_it_wants(
    world: World, sink: Sink, wanted: dict[str, Any], facts: dict[str, Any], gets: bool
) -> None:
    issued = connect(world, sink, **wanted)
    happen(**facts)
    read_on()
    assert Delivery.objects.filter(endpoint=issued.endpoint).exists() is gets


def test_an_endpoint_for_everybody_gets_every_team(world: World, sink: Sink) -> None:
    issued = connect(world, sink, by=world.admin, team=None, kinds=["run.ingested"])
    some = connect(world, sink, by=world.admin, team=None, teams=["billing"], kinds=["run.ingested"])
    happen("run.ingested")
    happen("run.ingested", team="billing")
    read_on()
    assert Delivery.objects.filter(endpoint=issued.endpoint).count() == 2
    assert Delivery.objects.get(endpoint=some.endpoint).team == "billing"


def test_both_secrets_sign_while_one_replaces_the_other(world: World, sink: Sink) -> None:
    old = connect(world, sink)
    new = rotate_secret(endpoint=old.endpoint, by=world.operator, now=NOW)
    happen()
    read_on()
    send()
    happen(now=NOW + 25 * HOUR)
    read_on()
    send(NOW + 25 * HOUR)
    assert old.secret != new.secret
    with time_machine.travel(SOON, tick=False):
        for issued in (old, new):
            Webhook(issued.secret).verify(sink.received[0].body, sink.received[0].headers)
    assert len(sink.received[1].headers["webhook-signature"].split()) == 1


@pytest.mark.slow
def test_a_failing_endpoint_is_tried_on_schedule_then_given_up(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    sink.says(500)
    happen()
    read_on()
    now = SOON
    waits = []
    for attempt in range(1, schedule.MOST_ATTEMPTS + 1):
        # The breaker would hold attempts back; here it is closed by hand.
        issued.endpoint.refresh_from_db()
        if issued.endpoint.state == EndpointState.BROKEN:
            operations.enable_endpoint(endpoint=issued.endpoint, by=world.operator, now=now)
        assert send(now) == 1
        row = one(issued.endpoint)
        assert row.attempts == attempt
        if row.state == DeliveryState.DEAD:
            break
        assert send(row.due_at - timedelta(seconds=0.1)) == 0
        waits.append(row.due_at - now)
        now = row.due_at
    assert len(sink.received) == 10
    assert len({got.headers["webhook-id"] for got in sink.received}) == 1
    for wait, expected in zip(waits, schedule.WAITS[1:], strict=True):
        assert expected * 0.9 <= wait <= expected * 1.1
    assert row.last_error == "answered 500"
    kinds = [entry.kind for entry in Entry.objects.about("delivery", str(row.pk)).order_by("id")]
    assert kinds == ["delivery.retrying"] * 9 + ["delivery.dead"]
    assert Attempt.objects.count() == 10
    sink.says(204)
    issued.endpoint.refresh_from_db()
    operations.enable_endpoint(endpoint=issued.endpoint, by=world.operator, now=now)
    assert operations.replay_dead(endpoint=issued.endpoint, by=world.operator, now=now) == 1
    send(now)
    assert one(issued.endpoint).state == DeliveryState.DELIVERED


def test_a_receiver_that_says_when_is_left_alone_until_then(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    sink.says(503, Retry_After="120")
    happen()
    read_on()
    send()
    assert one(issued.endpoint).due_at >= SOON + timedelta(seconds=120)


def test_gone_disables_the_endpoint(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    sink.says(410)
    happen()
    read_on()
    send()
    issued.endpoint.refresh_from_db()
    assert issued.endpoint.state == EndpointState.DISABLED
    assert "410" in issued.endpoint.state_reason
    assert one(issued.endpoint).state == DeliveryState.DEAD
    happen()
    read_on()
    assert Delivery.objects.filter(endpoint=issued.endpoint).count() == 1


def test_a_breaker_opens_probes_and_closes(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    sink.says(500)
    for _ in range(12):
        happen()
    read_on()
    assert send() == 12
    issued.endpoint.refresh_from_db()
    assert issued.endpoint.state == EndpointState.BROKEN
    probe = issued.endpoint.probe_at
    assert probe is not None
    assert send(probe - timedelta(seconds=1)) == 0, "nothing but probes goes to a broken endpoint"
    assert send(probe) == 1
    sink.says(204)
    issued.endpoint.refresh_from_db()
    assert issued.endpoint.probe_at is not None
    later = max(issued.endpoint.probe_at, probe + HOUR)
    assert send(later) == 12, "one probe, and then the rest"
    issued.endpoint.refresh_from_db()
    assert (issued.endpoint.state, issued.endpoint.failures) == (EndpointState.ACTIVE, 0)
    assert not Delivery.objects.exclude(state=DeliveryState.DELIVERED).exists()
    kinds = set(Entry.objects.about("webhook", str(issued.endpoint.pk)).values_list("kind", flat=True))
    assert kinds == {"webhook.created", "webhook.broken", "webhook.recovered"}


def test_what_a_breaker_holds_back_too_long_is_given_up(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    happen()
    read_on()
    operations.disable_endpoint(endpoint=issued.endpoint, reason="moving", by=world.operator, now=NOW)
    assert send(SOON + HOUR) == 0
    assert operations.give_up_old(now=SOON + timedelta(days=4)) == 0
    assert operations.give_up_old(now=SOON + timedelta(days=6)) == 1
    assert one(issued.endpoint).state == DeliveryState.DEAD


@pytest.mark.slow
def test_one_dead_endpoint_delays_no_other(world: World, sink: Sink) -> None:
    """One that never answers holds its own calls; a hundred others go out meanwhile."""
    with listening() as silent:
        dead = connect(world, silent, name="dead")
        connect(world, sink, name="well")
        for _ in range(100):
            happen()
        read_on()
        over = threading.Event()
        well_at: list[bool] = []

        def hang(_: Any) -> tuple[int, dict[str, str], bytes]:
            over.wait(5)
            return 204, {}, b""

        def note(_: Any) -> tuple[int, dict[str, str], bytes]:
            well_at.append(over.is_set())
            if len(well_at) == 100:
                over.set()
            return 204, {}, b""

        silent.answer, sink.answer = hang, note
        # Long enough for whatever a busy machine takes.
        send(seconds=120)
        assert well_at == [False] * 99 + [False]
        assert Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 200
    assert dead.endpoint.state == EndpointState.ACTIVE


def test_callbacks_of_one_agent_or_to_one_host_leave_room_for_everybody(world: World) -> None:
    def queue(agent: str, host: str, number: int) -> None:
        deliver_once(key=f"{agent}:{host}:{number}", url=f"https://{host}/x", body={}, kind="request.resolved",
                     by=INSTALLATION, now=NOW + number * timedelta(microseconds=1), agent=agent)  # fmt: skip

    for number in range(12):
        queue("flood", f"h{number % 3}.example.com", number)
        queue(f"many-{number}", "shared.example.com", number)
    queue("quiet", "well.example.com", 99)
    jobs = claim(now=SOON, most=99, each=4, busy={})
    busy = Counter(place for job in jobs for place in job.places)
    assert (busy["agent", "flood"], busy["host", "shared.example.com"], busy["agent", "quiet"]) == (4, 4, 1)
    # What is under way counts: nobody takes a second share.
    assert claim(now=SOON, most=99, each=4, busy=busy) == []
    under_way = Counter({("agent", "flood"): 3, ("host", "shared.example.com"): 4})
    assert [job.places[1] for job in claim(now=SOON, most=99, each=4, busy=under_way)] == [("agent", "flood")]


def test_a_claim_is_anothers_after_its_time_and_settles_once(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    happen()
    read_on()
    (first,) = claim(now=SOON, most=9, each=9, busy={})
    assert claim(now=SOON, most=9, each=9, busy={}) == []
    later = SOON + timedelta(seconds=61)
    (second,) = claim(now=later, most=9, each=9, busy={})
    # The same message once more, under the same id: what was killed between sending and writing.
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert settle(ended=[(first, Outcome(204))], now=later) == 0
    assert one(issued.endpoint).state == DeliveryState.PENDING
    assert settle(ended=[(second, Outcome(204))], now=later) == 1
    assert one(issued.endpoint).state == DeliveryState.DELIVERED


def test_what_is_cancelled_under_way_stays_cancelled(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    happen()
    read_on()
    (job,) = claim(now=SOON, most=9, each=9, busy={})
    operations.cancel(delivery=one(issued.endpoint), by=world.operator, now=SOON)
    settle(ended=[(job, Outcome(500))], now=SOON)
    assert one(issued.endpoint).state == DeliveryState.CANCELLED


def test_a_name_that_now_leads_inside_is_not_called(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    happen()
    read_on()
    send(guard=guarded(Names(**{NAME: ["169.254.169.254"]})))
    row = one(issued.endpoint)
    assert (row.state, sink.connections) == (DeliveryState.RETRYING, 0)
    assert row.last_error == "the address is not admitted or does not resolve"


def _once(sink: Sink, **facts: Any) -> Delivery:
    facts = {"key": "approval:1", "url": f"{sink.url}?signature=s3cr3t", "body": {"approved": True}, **facts}
    return deliver_once(kind="approval.decided", by=INSTALLATION, now=NOW, team="talent", agent="job-applier", **facts)


def test_a_callback_is_sent_once_to_its_exact_address(world: World, sink: Sink) -> None:
    row = _once(sink)
    assert _once(sink).pk == row.pk
    assert "s3cr3t" not in "".join(str(value) for value in Delivery.objects.values_list().get())
    send()
    (got,) = sink.received
    assert got.path == "/hook?signature=s3cr3t"
    assert json.loads(got.body) == {"approved": True}
    with time_machine.travel(SOON, tick=False):
        Webhook(callback_secret("job-applier")).verify(got.body, got.headers)
    row.refresh_from_db()
    assert row.state == DeliveryState.DELIVERED
    assert [entry.kind for entry in Entry.objects.about("delivery", str(row.pk)).order_by("id")] == [
        "delivery.queued",
        "delivery.delivered",
    ]


def test_a_callback_that_is_too_early_is_sent_again_soon(world: World, sink: Sink) -> None:
    row = _once(sink)
    sink.says(409, b'{"message": "The execution \\"7\\" is running already"}')
    send(NOW)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.due_at) == (DeliveryState.RETRYING, 0, NOW + schedule.SOON)
    sink.says(409, b'{"message": "The execution \\"7\\" has finished already"}')
    send(row.due_at)
    row.refresh_from_db()
    assert row.state == DeliveryState.DELIVERED


@pytest.mark.slow
def test_a_callback_that_stays_early_falls_back_to_the_schedule(world: World, sink: Sink) -> None:
    row = _once(sink)
    sink.says(409, b"is running already")
    now = NOW
    for _ in range(schedule.MOST_SOON + 1):
        send(now)
        row.refresh_from_db()
        now = row.due_at
    assert (row.soon, row.attempts) == (schedule.MOST_SOON, 1)


def test_a_callback_to_the_inside_is_refused(world: World, sink: Sink) -> None:
    for url in ("http://other.test/", "https://127.0.0.1/", "https://a@b.example/"):
        with pytest.raises(UnsafeUrl) as refused:
            _once(sink, url=url)
        assert refused.value.errors[0].pointer == "/callback_url"


@pytest.mark.parametrize(
    ("means", "status", "text", "meaning"),
    [
        (Means.WEBHOOK, 200, "", Meaning.DELIVERED),
        (Means.WEBHOOK, 302, "", Meaning.FAILED),
        (Means.WEBHOOK, 409, "has finished already", Meaning.FAILED),
        (Means.CALLBACK, 409, "has finished already", Meaning.DELIVERED),
        (Means.CALLBACK, 409, "is running already", Meaning.SOON),
        (Means.CALLBACK, 500, "has finished already", Meaning.FAILED),
        (Means.CALLBACK, 410, "", Meaning.GONE),
        (Means.WEBHOOK, None, "", Meaning.FAILED),
    ],
)
def test_what_an_answer_means(means: str, status: int | None, text: str, meaning: Meaning) -> None:
    assert meaning_of(means, Outcome(status, text=text)) is meaning


def test_retries_spread_by_a_tenth() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    for attempts, wait in enumerate(schedule.WAITS[1:], 1):
        for chance, factor in ((0.0, 0.9), (0.5, 1.0), (1.0, 1.1)):
            assert schedule.next_attempt(attempts, now=now, chance=chance) == now + wait * factor
    assert schedule.next_attempt(schedule.MOST_ATTEMPTS, now=now, chance=0.5) is None


def test_the_log_forgets_what_is_long_over(world: World, sink: Sink) -> None:
    issued = connect(world, sink)
    for _ in range(3):
        happen()
    read_on()
    rows = list(Delivery.objects.order_by("id"))
    operations.cancel(delivery=rows[0], by=world.operator, now=SOON)
    send()
    Delivery.objects.filter(pk=rows[2].pk).update(state=DeliveryState.DEAD)
    assert operations.prune(now=SOON + operations.handling.KEPT) == 0
    later = SOON + operations.handling.KEPT + timedelta(seconds=1)
    assert [operations.prune(now=later), operations.prune(now=later)] == [2, 0]
    assert one(issued.endpoint).pk == rows[2].pk
    assert Entry.objects.filter(kind="delivery.pruned").count() == 1
