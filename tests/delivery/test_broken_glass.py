"""Whoever was passed over, or answers for the agent, is told at once by whom, and why; the dialog says so before."""

from __future__ import annotations

import html
import json
from datetime import datetime, time, timedelta

import pytest
from django.test import Client

from approvals.models import ApprovalRequest
from approvals.operations import grant_break_glass, overrule, read_under_break_glass
from audit import sql
from controlplane.console.admins import page_of
from controlplane.delivery.models import Delivery
from controlplane.delivery.operations import choose_kinds
from controlplane.delivery.readers.notices import NOTICES_READER, count_told_of_glass
from registry.models import User
from tests.controlplane.console.scene import Scene, make_scene
from tests.delivery.sink import Sink
from tests.delivery.steps import read_on, send
from tests.delivery.test_notices import channel
from tests.world import make_person

EVERYBODY = ("admin", "operator", "owner", "reviewer", "second", "auditor", "stranger")
TOLD = {"admin", "talent-operator", "talent-lead", "talent-reviewer", "second-reviewer"}


@pytest.fixture
def scene(db: None) -> Scene:
    """Return a world of the present: requests expire by the database's own clock."""
    return make_scene()


def soon() -> datetime:
    """Return a moment after what has happened."""
    return sql.now() + timedelta(seconds=1)


def broken(scene: Scene, *, reason: str = "The deadline is at noon") -> ApprovalRequest:
    """Have the reviewers of a held mail passed over."""
    chief = make_person("chief", "admin", now=scene.now)
    grant_break_glass(user=chief, by=scene.world.admin, now=scene.now)
    request = scene.hold()
    revision = read_under_break_glass(request=request, reason=reason, by=chief, now=scene.now)
    return overrule(
        request_id=request.pk, revision=1, digest=revision.digest, destination="email:jane@acme.com", reason=reason,
        by=chief, now=scene.now,
    )  # fmt: skip


def told() -> set[str]:
    """Return who is told of it."""
    rows = Delivery.objects.filter(kind="approval.break_glass").select_related("channel__user")
    return {row.channel.user.username for row in rows if row.channel}


def test_reviewers_operators_and_the_owner_are_told(scene: Scene, sink: Sink) -> None:
    for who in EVERYBODY:
        channel(getattr(scene.world, who), sink)
    request = broken(scene)
    read_on(NOTICES_READER, now=soon())
    assert told() == TOLD
    assert count_told_of_glass(request, by=User.objects.get(username="chief"), now=scene.now) == len(TOLD)
    assert count_told_of_glass(request, by=scene.world.admin, now=scene.now) == len(TOLD) - 1


def test_who_broke_it_and_why_is_told_in_quiet_hours_too(scene: Scene, sink: Sink) -> None:
    User.objects.filter(pk=scene.world.owner.pk).update(quiet_from=time(0), quiet_until=time(23, 59), zone="UTC")
    channel(scene.world.owner, sink, kinds=("break_glass",))
    request = broken(scene)
    read_on(NOTICES_READER, now=soon())
    assert send(soon()) == 1
    (got,) = sink.received
    message = json.loads(got.body)
    assert message["message"] == (
        "chief approved email.send by job-applier in the reviewers' place. Reason: The deadline is at noon"
    )
    assert message["url"].endswith(f"/approvals/approvalrequest/{request.pk}/")
    assert b"jane" not in got.body.lower()


def test_a_long_reason_is_told_in_one_line_and_cut(scene: Scene, sink: Sink) -> None:
    channel(scene.world.owner, sink, kinds=("break_glass",))
    broken(scene, reason="First line\n\n  and " + "more " * 300 + "{verb}")
    read_on(NOTICES_READER, now=soon())
    text = json.loads(Delivery.objects.get().body)["text"]
    _, _, reason = text.partition("Reason: ")
    assert reason.startswith("First line and more more")
    assert (len(reason), reason[-1]) == (300, "…")


def test_a_reason_is_no_template(scene: Scene, sink: Sink) -> None:
    channel(scene.world.owner, sink, kinds=("break_glass",))
    broken(scene, reason="{verb} {0.__class__} {")
    read_on(NOTICES_READER, now=soon())
    assert json.loads(Delivery.objects.get().body)["text"].endswith("Reason: {verb} {0.__class__} {")


def test_delegates_of_the_passed_over_are_told(scene: Scene, sink: Sink) -> None:
    channel(scene.world.auditor, sink)
    away = {
        "delegate": scene.world.auditor,
        "delegate_from": scene.now - timedelta(days=1),
        "delegate_until": scene.now + timedelta(days=1),
    }
    User.objects.filter(pk=scene.world.reviewer.pk).update(**away)
    broken(scene)
    read_on(NOTICES_READER, now=soon())
    assert told() == {"auditor"}


@pytest.mark.slow
def test_the_dialog_says_who_is_told(scene: Scene, sink: Sink) -> None:
    chief = make_person("chief", "admin", now=scene.now)
    grant_break_glass(user=chief, by=scene.world.admin, now=scene.now)
    request = scene.hold()
    client = Client()
    client.force_login(chief, backend="django.contrib.auth.backends.ModelBackend")

    def says() -> str:
        answer = client.get(page_of(request, "overrule"))
        assert answer.status_code == 200
        return html.unescape(answer.content.decode())

    whom = "the reviewers, the operators of talent and the owner of job-applier"
    other = channel(scene.world.stranger, sink)
    channel(chief, sink)
    assert f"Tell them yourself: of {whom}, nobody else has a channel for it." in says()
    mine = channel(scene.world.owner, sink)
    assert f"At once {whom} are told, with your name and reason, where they have a channel: 1 person." in says()
    channel(scene.world.reviewer, sink)
    assert "where they have a channel: 2 people." in says()
    choose_kinds(channel=mine, kinds=["failure"], by=scene.world.owner, now=scene.now)
    choose_kinds(channel=other, kinds=["break_glass"], by=scene.world.stranger, now=scene.now)
    assert "where they have a channel: 1 person." in says()
