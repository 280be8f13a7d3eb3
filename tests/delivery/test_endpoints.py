"""Webhook endpoints: who may have them, what they may be like, and that their secrets stay secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit.models import Entry
from audit.refusals import Conflict, Forbidden, IllegalTransition, Invalid, Missing, Stale
from controlplane import atrest
from controlplane.console.admins import page_of
from controlplane.delivery import operations
from controlplane.delivery.models import Delivery, Endpoint
from controlplane.delivery.operations import Wanted, create_endpoint, edit_endpoint, rotate_secret
from controlplane.delivery.operations.endpoints import secrets_in_force
from controlplane.delivery.states import DeliveryState, EndpointState
from controlplane.outgoing import UnsafeUrl
from controlplane.outgoing.urls import UNSAFE
from tests.controlplane.api.callers import person
from tests.delivery.sink import NAME, Names, Sink, guarded
from tests.delivery.steps import MADE, connect, happen, one, read_on, send
from tests.world import NOW, World

OUTSIDE = "https://93.184.216.34/hook"


@pytest.mark.parametrize(
    ("who", "of", "refused"),
    [
        ("admin", "team", None),
        ("admin", None, None),
        ("operator", "team", None),
        ("operator", None, Forbidden),
        ("operator", "other", Missing),
        ("owner", "team", Forbidden),
        ("reviewer", "team", Forbidden),
        ("auditor", "team", Forbidden),
        ("stranger", "team", Missing),
    ],
)
def test_who_connects(world: World, sink: Sink, who: str, of: str | None, refused: type[Exception] | None) -> None:
    by, team = getattr(world, who), getattr(world, of) if of else None
    if refused is None:
        assert connect(world, sink, by=by, team=team).endpoint.audit_team == (team.slug if team else "")
        assert Entry.objects.filter(kind="webhook.created", actor_id=by.username).count() == 1
    else:
        with pytest.raises(refused):
            connect(world, sink, by=by, team=team)
        assert not Endpoint.objects.exists()


def test_rows_of_others_are_not_there(world: World, sink: Sink) -> None:
    mine = connect(world, sink).endpoint
    everybody = connect(world, sink, by=world.admin, team=None).endpoint
    for endpoint in (mine, everybody):
        operations.send_test(endpoint=endpoint, by=world.admin, now=NOW)
    seen = {
        who: (
            Endpoint.objects.visible_to(getattr(world, who)).count(),
            Delivery.objects.visible_to(getattr(world, who)).count(),
        )
        for who in ("admin", "operator", "owner", "reviewer", "auditor", "stranger")
    }
    assert seen == {
        "admin": (2, 2), "operator": (1, 1), "owner": (0, 0), "reviewer": (0, 0), "auditor": (0, 0), "stranger": (0, 0),
    }  # fmt: skip
    for operation in (
        lambda: rotate_secret(endpoint=mine, by=world.stranger, now=NOW),
        lambda: operations.disable_endpoint(endpoint=mine, reason="", by=world.stranger, now=NOW),
        lambda: operations.send_test(endpoint=everybody, by=world.operator, now=NOW),
        lambda: operations.replay_dead(endpoint=mine, by=world.stranger, now=NOW),
        lambda: operations.retry(delivery=one(mine), by=world.stranger, now=NOW),
        lambda: operations.cancel(delivery=one(everybody), by=world.operator, now=NOW),
    ):
        with pytest.raises(Missing):
            operation()


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"name": "x\u202ey"}, "/name"),
        ({"kinds": ["Approval"]}, "/kinds/0"),
        ({"kinds": ["approval.*", "*"]}, "/kinds/1"),
        ({"kinds": ["a..b"]}, "/kinds/0"),
        ({"kinds": ["a"] * 101}, "/kinds"),
        ({"agents": ["Job Applier"]}, "/agents/0"),
        ({"teams": ["talent"]}, "/teams"),
        ({"url": f"http://{NAME}/ghp_0123456789abcdefghijABCDEFGHIJ012345"}, "/url"),
        ({"url": "https://inside.example/"}, "/url"),
        ({"url": "https://missing.example/"}, "/url"),
    ],
)
def test_what_an_endpoint_cannot_be_like(world: World, sink: Sink, wanted: dict[str, Any], pointer: str) -> None:
    guard = guarded(Names(**{"inside.example": ["10.0.0.1"]}))
    given = Wanted(**{"name": "n8n", "url": sink.url, **wanted})
    with pytest.raises(Invalid) as refused:
        create_endpoint(wanted=given, team=world.team, by=world.operator, now=NOW, guard=guard)
    assert refused.value.errors[0].pointer == pointer
    assert not Endpoint.objects.exists()


def test_private_and_unresolvable_are_told_alike(world: World) -> None:
    guard = guarded(Names(**{"inside.example": ["10.0.0.1"]}))
    told = set()
    for url in ("https://inside.example/", "https://missing.example/", "https://10.0.0.1/", "https://a@b.example/"):
        with pytest.raises(UnsafeUrl) as refused:
            create_endpoint(wanted=Wanted("x", url), team=world.team, by=world.operator, now=NOW, guard=guard)
        told.add((refused.value.detail, refused.value.errors))
    assert len(told) == 1
    assert told.pop()[0] == UNSAFE


def test_secrets_are_kept_encrypted_bound_to_row_and_column(world: World, sink: Sink) -> None:
    first, second = connect(world, sink), connect(world, sink)
    stored = str(list(Endpoint.objects.values()) + list(Entry.objects.values()))
    assert first.secret.removeprefix("whsec_") not in stored
    assert first.secret.rstrip("=").endswith(first.endpoint.secret_hint)
    for elsewhere in (second.endpoint.place("secret"), first.endpoint.place("previous"), "delivery_channel/1/address"):
        with pytest.raises(atrest.Unreadable):
            atrest.open_sealed(first.endpoint.secret, place=elsewhere)
    assert secrets_in_force(first.endpoint, now=NOW) == [first.secret]


def test_encryption_keys_rotate(world: World, sink: Sink, settings: Any) -> None:
    issued = connect(world, sink)
    new = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    settings.ENCRYPTION_KEYS = (new, *settings.ENCRYPTION_KEYS)
    assert secrets_in_force(issued.endpoint, now=NOW) == [issued.secret]
    settings.ENCRYPTION_KEYS = (new,)
    happen()
    read_on()
    send()
    assert one(issued.endpoint).last_error == "its secret cannot be decrypted with the installation's keys"


def test_a_second_rotation_ends_the_oldest_secret(world: World, sink: Sink) -> None:
    first = connect(world, sink)
    second = rotate_secret(endpoint=first.endpoint, by=world.operator, now=NOW)
    third = rotate_secret(endpoint=first.endpoint, by=world.operator, now=NOW)
    assert secrets_in_force(first.endpoint, now=NOW) == [third.secret, second.secret]
    assert secrets_in_force(first.endpoint, now=NOW + timedelta(hours=24)) == [third.secret]


def test_of_two_edits_at_once_one_is_told(world: World, sink: Sink) -> None:
    mine = connect(world, sink).endpoint
    other = Endpoint.objects.select_related("team").get(pk=mine.pk)
    wanted = Wanted("renamed", sink.url)
    edit_endpoint(endpoint=mine, wanted=wanted, by=world.operator, now=NOW, guard=guarded())
    for operation in (
        lambda: edit_endpoint(endpoint=other, wanted=Wanted("x", sink.url), by=world.admin, now=NOW, guard=guarded()),
        lambda: rotate_secret(endpoint=other, by=world.admin, now=NOW),
    ):
        with pytest.raises(Stale):
            operation()
    entry = Entry.objects.get(kind="webhook.changed")
    assert (entry.before_digest != entry.after_digest, '"changed":["name"]' in entry.details) == (True, True)
    # An edit that changes nothing leaves nothing.
    edit_endpoint(endpoint=mine, wanted=wanted, by=world.operator, now=NOW, guard=guarded())
    assert Entry.objects.filter(kind="webhook.changed").count() == 1


@pytest.mark.slow
def test_only_a_disabled_endpoint_is_deleted(world: World, sink: Sink) -> None:
    mine = connect(world, sink).endpoint
    happen()
    read_on()
    with pytest.raises(Conflict):
        operations.delete_endpoint(endpoint=mine, by=world.operator, now=NOW)
    operations.disable_endpoint(endpoint=mine, reason="moving", by=world.operator, now=NOW)
    with pytest.raises(IllegalTransition):
        operations.disable_endpoint(endpoint=mine, reason="moving", by=world.operator, now=NOW)
    with pytest.raises(Conflict):
        operations.send_test(endpoint=mine, by=world.operator, now=NOW)
    pk = str(mine.pk)
    operations.delete_endpoint(endpoint=mine, by=world.operator, now=NOW)
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()
    kinds = list(Entry.objects.about("webhook", pk).order_by("id").values_list("kind", flat=True))
    assert kinds == ["webhook.created", "webhook.disabled", "webhook.deleted"]


def test_what_was_delivered_is_not_sent_again(world: World, sink: Sink) -> None:
    mine = connect(world, sink).endpoint
    happen()
    read_on()
    sink.says(500)
    send()
    row = one(mine)
    later = MADE + timedelta(seconds=2)
    operations.retry(delivery=row, by=world.operator, now=later)
    sink.says(204)
    assert send(later) == 1
    row.refresh_from_db()
    assert row.state == DeliveryState.DELIVERED
    for operation in (operations.retry, operations.cancel):
        with pytest.raises(IllegalTransition):
            operation(delivery=row, by=world.operator, now=later)
    kinds = list(Entry.objects.about("delivery", str(row.pk)).order_by("id").values_list("kind", flat=True))
    assert kinds == ["delivery.retrying", "delivery.hurried", "delivery.delivered"]


@pytest.mark.slow
def test_the_api_shows_a_secret_once(world: World) -> None:
    caller = person(world.operator)
    made = caller.send("POST", "/webhooks", {"name": "n8n", "url": OUTSIDE, "team": "talent"})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    secret, path = made.json()["secret"], f"/webhooks/{made.json()['id']}"
    assert secret.startswith("whsec_")
    tested = caller.send("POST", f"{path}/test")
    assert tested.status_code == 201
    for shown in (path, "/webhooks", "/deliveries", f"/deliveries/{tested.json()['id']}"):
        answer = caller.get(shown)
        assert answer.status_code == 200
        assert secret[-12:].encode() not in answer.content
    rotated = caller.send("POST", f"{path}/secret")
    assert rotated.json()["secret"] != secret
    assert caller.get("/deliveries?state=pending&kind=webhook.test").json()["results"][0]["state"] == "pending"
    assert caller.get("/deliveries?state=nonsense").status_code == 400


@pytest.mark.slow
def test_the_api_refuses_unsafe_urls_with_one_text(world: World) -> None:
    caller = person(world.operator)
    answers = [
        caller.send("POST", "/webhooks", {"name": "x", "url": url, "team": "talent"})
        for url in ("http://93.184.216.34/", "https://10.0.0.1/", "https://[::1]/", "https://no-such-name.invalid/")
    ]
    assert {answer.status_code for answer in answers} == {422}
    told = [{name: answer.json()[name] for name in ("code", "detail", "errors")} for answer in answers]
    assert all(each == told[0] for each in told)
    assert told[0]["code"] == "unsafe_url"


def test_a_disabled_endpoint_wakes_with_what_waited(world: World, sink: Sink) -> None:
    mine = connect(world, sink).endpoint
    happen()
    read_on()
    operations.disable_endpoint(endpoint=mine, reason="", by=world.operator, now=NOW)
    assert send() == 0
    operations.enable_endpoint(endpoint=mine, by=world.operator, now=NOW)
    assert mine.state == EndpointState.ACTIVE
    assert send() == 1


@pytest.mark.slow
def test_the_page_of_a_delivery_lays_out_what_is_sent(world: World, sink: Sink, client: Client) -> None:
    endpoint = connect(world, sink, by=world.admin, team=None).endpoint
    delivery = operations.send_test(endpoint=endpoint, by=world.admin, now=NOW)
    client.force_login(world.admin, backend="django.contrib.auth.backends.ModelBackend")
    shown = client.get(page_of(delivery)).content.decode()
    assert "&quot;type&quot;: &quot;webhook.test&quot;" in shown
    assert "\\&quot;" not in shown
