"""Receivers: verified before they are kept, told once of each final answer, by the published receiver itself."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from agentapprovalprotocol import Receiver
from agentapprovalprotocol.receiver import new_secret
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import ApprovalRequest
from approvals.operations import expire_request
from approvals.states import Verdict
from audit import sql
from audit.actors import System
from audit.models import Entry
from audit.operations import seal
from controlplane import atrest
from controlplane.delivery.models import Delivery
from controlplane.delivery.readers import BATCH
from controlplane.protocols.aap.events import READER
from controlplane.protocols.aap.instances import MOST_INSTANCES
from controlplane.protocols.aap.models import Instance
from controlplane.protocols.aap.tasks import follow_trail
from tests.delivery.sink import Sink
from tests.delivery.steps import read_on
from tests.protocols.aap.receiving import address, answer_with, deliver
from tests.protocols.aap.scene import FORM, MAIL, Framework, decide, error, framework
from tests.world import World, make_key

pytestmark = pytest.mark.slow
REGISTRATION = "8246931c-4ce0-4c15-a94a-e9c078ad06e2"


def _expecting(sink: Sink, **options: Any) -> Receiver:
    receiver = Receiver(resumers={}, secret=new_secret(), registration_id=REGISTRATION, **options)
    answer_with(sink, receiver)
    return receiver


def _wanted(sink: Sink, receiver: Receiver, **other: Any) -> dict[str, Any]:
    delivery = {"type": "webhook", "url": address(sink), "registration_id": REGISTRATION,
                "signing_secret": receiver.secret, **other}  # fmt: skip
    return {"instance_name": "laptop", "delivery": delivery}


def _provision(agent: Framework, body: Any, key: str = "i", status: int = 201) -> Any:
    answer = agent.send("POST", "/instances", body, key=key)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_receiver_is_verified_kept_and_told_once_of_each_answer(world: World, agent: Framework, sink: Sink) -> None:
    before = agent.ask("before", FORM).json()
    receiver = _expecting(sink)
    made = _provision(agent, _wanted(sink, receiver))
    receiver.instance_id = made["instance"]["id"]
    assert made["instance"]["delivery"] == {"type": "webhook", "url": address(sink), "registration_id": REGISTRATION}
    assert made["credential"]["token"] == world.text
    assert receiver.secret not in json.dumps(made)
    (challenge,) = sink.received
    assert json.loads(challenge.body)["type"] == "webhook.verification"
    ids = [agent.ask(key, body).json()["id"] for key, body in (("a", FORM), ("b", MAIL), ("c", MAIL), ("d", MAIL))]
    decide(ids[1], world)
    decide(ids[2], world, Verdict.REJECT)
    agent.send("DELETE", f"/requests/{ids[3]}")
    pending = agent.ask("e").json()["id"]
    # A replay is no event.
    agent.ask("a", FORM)
    assert deliver() == 4
    told = [json.loads(got.body) for got in sink.received[1:]]
    assert {each["request_id"] for each in told} == set(ids)
    assert not {before["id"], pending} & {each["request_id"] for each in told}
    for got, each in zip(sink.received[1:], told, strict=True):
        request = agent.send("GET", f"/requests/{each['request_id']}").json()
        assert set(each) == {"id", "type", "instance_id", "request_id", "created_at"}
        assert (each["type"], each["instance_id"]) == ("request.resolved", made["instance"]["id"])
        assert each["created_at"] == request["decision"]["decided_at"]
        assert got.headers["webhook-id"] == each["id"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert deliver() == 0


def test_secrets_are_sealed_and_never_told(world: World, agent: Framework, sink: Sink) -> None:
    receiver = _expecting(sink)
    made = _provision(agent, _wanted(sink, receiver))
    row = Instance.objects.get()
    assert receiver.secret not in row.secret
    assert str(sink.port) not in row.url
    assert receiver.secret not in agent.send("GET", f"/instances/{made['instance']['id']}").content.decode()
    trail = json.dumps(list(Entry.objects.filter(kind="aap_instance.provisioned").values("details", "object_id")))
    assert made["instance"]["id"] in trail
    assert receiver.secret not in trail


def test_the_same_key_gives_the_same_instance_and_asks_nobody_again(agent: Framework, sink: Sink) -> None:
    receiver = _expecting(sink)
    made = _provision(agent, _wanted(sink, receiver))
    assert _provision(agent, _wanted(sink, receiver), status=200) == made
    assert len(sink.received) == 1
    error(agent.send("POST", "/instances", {}, key="i"), 409, "idempotency_conflict", "conflict")
    error(agent.send("POST", "/instances", {}), 400, "missing_idempotency_key")
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    "way", ["another challenge", "a bare 200", "204", "refuses", "redirects", "foreign secret", "nests without end"]
)
def test_who_does_not_expect_it_is_not_kept(agent: Framework, sink: Sink, way: str) -> None:
    receiver = _expecting(sink)
    wanted = _wanted(sink, receiver)
    if way == "another challenge":
        sink.says(200, b'{"challenge":"other"}')
    elif way == "a bare 200":
        sink.says(200)
    elif way == "204":
        sink.says(204)
    elif way == "refuses":
        receiver.registration_id = "other"
    elif way == "nests without end":
        sink.says(200, b"[" * 4096)
    elif way == "redirects":
        sink.says(302, Location=address(sink))
    else:
        receiver.secret = new_secret()
    error(agent.send("POST", "/instances", wanted, key="i"), 422, "webhook_verification_failed", "invalid_request")
    assert not Instance.objects.exists()
    # The same key may try again.
    receiver = _expecting(sink)
    _provision(agent, _wanted(sink, receiver))


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://127.0.0.2/x", "invalid_webhook_url"), ("https://169.254.169.254/x", "invalid_webhook_url"),
     ("https://user:pw@example.com/", "invalid_webhook_url"), ("ftp://example.com/", "invalid_webhook_url"),
     ("https://[::1]/", "invalid_webhook_url"), ("not a url", "invalid_webhook_url")],
)  # fmt: skip
def test_an_unsafe_address_is_never_called(agent: Framework, sink: Sink, url: str, code: str) -> None:
    wanted = _wanted(sink, _expecting(sink), url=url)
    error(agent.send("POST", "/instances", wanted, key="i"), 400, code, "invalid_request")
    assert (sink.connections, Instance.objects.count()) == (0, 0)


def test_what_is_no_instance_is_refused(agent: Framework, sink: Sink) -> None:
    receiver = _expecting(sink)
    good = _wanted(sink, receiver)["delivery"]
    for bad in ({"surplus": 1}, {"instance_name": ""}, {"instance_name": None}, {"delivery": None}, [],
                {"delivery": {**good, "registration_id": "x"}}, {"delivery": {**good, "signing_secret": "short"}},
                {"delivery": {**good, "surplus": 1}}):  # fmt: skip
        answer = agent.send("POST", "/instances", bad, key="i")
        error(answer, 400, answer.json()["error"]["code"], "invalid_request")
    error(agent.send("POST", "/instances", {"delivery": {**good, "type": "socket"}}, key="i"), 400,
          "unsupported_delivery_type")  # fmt: skip
    assert sink.connections == 0
    assert _provision(agent, {})["instance"]["name"].startswith("job-applier-")


def test_a_removed_instance_is_told_nothing_more(world: World, agent: Framework, sink: Sink) -> None:
    made = _provision(agent, _wanted(sink, _expecting(sink)))
    where = f"/instances/{made['instance']['id']}"
    _, staging = make_key(world.agent, by=world.admin, environment="staging", now=sql.now())
    error(framework(staging).send("DELETE", where), 404, "not_found")
    for _ in range(2):
        assert agent.send("DELETE", where).status_code == 204
    error(agent.send("GET", where), 404, "not_found")
    error(agent.send("POST", "/instances", _wanted(sink, _expecting(sink)), key="i"), 409, "idempotency_conflict")
    agent.ask("a", FORM)
    assert deliver() == 0
    assert Entry.objects.filter(kind="aap_instance.removed").count() == 1


def test_what_waits_for_a_removed_receiver_is_never_sent(world: World, agent: Framework, sink: Sink) -> None:
    first = _provision(agent, _wanted(sink, _expecting(sink)), key="first")
    _provision(agent, {**_wanted(sink, _expecting(sink)), "instance_name": "other"}, key="second")
    agent.ask("a", FORM)
    read_on(READER, now=sql.now())
    assert Delivery.objects.open().count() == 2
    agent.send("DELETE", f"/instances/{first['instance']['id']}")
    (waits,) = Delivery.objects.open()
    assert first["instance"]["id"] not in waits.key
    entry = Entry.objects.get(kind="aap_instance.removed")
    assert json.loads(entry.details)["cancelled"] == 1


def test_a_secret_in_an_instances_name_is_not_kept(agent: Framework) -> None:
    secret = "sk-proj-" + "a1B2c3D4" * 6
    made = _provision(agent, {"instance_name": f"laptop {secret}"})
    assert made["instance"]["name"].startswith("laptop ")
    assert secret not in made["instance"]["name"]
    assert secret not in Instance.objects.get().name
    assert secret not in Entry.objects.get(kind="aap_instance.provisioned").details


def test_an_answer_by_time_is_told_too(world: World, agent: Framework, sink: Sink) -> None:
    _provision(agent, _wanted(sink, _expecting(sink)))
    asked = agent.ask("a", {**MAIL, "timeout": "1s"}).json()
    held = ApprovalRequest.objects.get(decision=asked["id"])
    now = sql.now() + timedelta(seconds=2)
    expire_request(request=held, by=System("test"), now=now)
    assert deliver() == 1
    event = json.loads(sink.received[-1].body)
    assert (event["request_id"], event["created_at"]) == (asked["id"], asked["deadline_at"])


def test_however_many_are_told_no_transaction_tells_hundreds(world: World, agent: Framework) -> None:
    for number in range(MOST_INSTANCES):
        _provision(agent, {"instance_name": f"laptop {number}"}, key=f"i{number}")
    for row in Instance.objects.all():
        row.url = atrest.seal("https://hooks.example.com/x", place=row.place("url"))
        row.secret = atrest.seal(new_secret(), place=row.place("secret"))
        row.save()
    for number in range(30):
        agent.ask(f"a{number}", FORM)
    seal(now=sql.now(), everything=True)
    with CaptureQueriesContext(connection) as seen:
        assert follow_trail() == 30 * MOST_INSTANCES
    written = [0]
    for query in seen:
        if query["sql"].startswith('UPDATE "delivery_cursor"'):
            written.append(0)
        written[-1] += query["sql"].startswith('INSERT INTO "delivery_delivery"')
    assert sum(written) == 30 * MOST_INSTANCES
    assert max(written) <= BATCH
