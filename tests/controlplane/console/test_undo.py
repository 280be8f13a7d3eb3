"""The button that takes back what was just done, without script."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from controlplane.console.admins import page_of
from controlplane.console.undoing import undo_of_failure, undo_of_pause
from registry.models import Agent
from registry.operations import pause_agent, resume_agent
from runs.models import Failure
from runs.operations import mute_failure
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_failure_pages import report

pytestmark = pytest.mark.slow

UNDO = "/undo/"


def offered(client: Client, url: str) -> str:
    """Return the token of the undo that a page offers; empty where it offers none."""
    page = client.get(url).content.decode()
    found = re.search(r'<form method="post" action="/undo/" class="cp-undo">.*?name="token" value="([^"]+)"', page)
    return unescape(found[1]) if found else ""


@pytest.fixture
def failure(scene: Scene) -> Failure:
    report(scene, "one")
    return Failure.objects.get()


def test_what_was_done_about_a_failure_is_taken_back(scene: Scene, visit: Visit, failure: Failure) -> None:
    client, url = visit(scene.world.owner), page_of(failure)
    for word, form in (
        ("assign", {"assigned_to": scene.world.operator.pk}), ("mute", {"until": "7d"}), ("resolve", {"version": ""}),
    ):  # fmt: skip
        answer = client.post(page_of(failure, word), form)
        assert answer.status_code == 302
        token = offered(client, answer.headers["Location"])
        assert token, word
        assert not offered(client, url), "a message is shown once"
        answer = client.post(UNDO, {"token": token})
        assert (answer.status_code, answer.headers["Location"]) == (302, url), word
        assert "Undone: the failure is as it was before." in client.get(url).content.decode()
        failure.refresh_from_db()
        assert (failure.state, failure.assigned_to, failure.muted_until, failure.resolved_at) == (
            "new", None, None, None,
        ), word  # fmt: skip
    undone = Entry.objects.filter(kind="failure.undone")
    assert [entry.actor_id for entry in undone] == [scene.world.owner.username] * 3


@pytest.mark.slow
def test_a_pause_is_taken_back_where_the_person_may_resume(scene: Scene, visit: Visit) -> None:
    agent, form = scene.world.agent, {"reason": "Odd"}
    owner, operator = visit(scene.world.owner), visit(scene.world.operator)
    assert owner.post(page_of(agent, "pause"), form).status_code == 302
    assert not offered(owner, page_of(agent)), "an owner pauses, and does not resume"
    resume_agent(agent=Agent.objects.get(pk=agent.pk), by=scene.world.operator, now=timezone.now())
    assert operator.post(page_of(agent, "pause"), form).status_code == 302
    assert scene.submit().effect == "deny"
    token = offered(operator, page_of(agent))
    assert operator.post(UNDO, {"token": token}).status_code == 302
    assert scene.submit().effect == "allow"
    again = operator.post(UNDO, {"token": token})
    assert (again.status_code, "changed it in the meantime" in again.content.decode()) == (409, True)


def muted(scene: Scene, failure: Failure, at: datetime) -> str:
    done = mute_failure(failure=failure, until=at + timedelta(days=7), by=scene.world.operator, now=at)
    return undo_of_failure(failure, done, by=scene.world.operator, at=at)


def test_it_is_refused_when_its_time_is_over(scene: Scene, visit: Visit, failure: Failure) -> None:
    token = muted(scene, failure, timezone.now() - timedelta(seconds=11))
    answer = visit(scene.world.operator).post(UNDO, {"token": token})
    assert (answer.status_code, "They are over; nothing was changed." in answer.content.decode()) == (410, True)
    assert answer.content.decode().count('class="cp-button cp-button-main"') == 0, "there is nothing to try again"
    failure.refresh_from_db()
    assert failure.muted_until is not None


@pytest.mark.slow
def test_it_is_only_for_who_did_it_and_only_whole(scene: Scene, visit: Visit, failure: Failure) -> None:
    token = muted(scene, failure, timezone.now())
    other = visit(scene.world.owner).post(UNDO, {"token": token})
    assert other.status_code == 403
    client = visit(scene.world.operator)
    body, _, seal = token.rpartition(":")
    forged = signing.dumps({"kind": "failure"}, salt="controlplane.console.undo")
    for bad in ("", "x", token[:-1] + ("A" if token[-1] != "A" else "B"), f"{body}x:{seal}", forged, "a" * 3000):
        assert client.post(UNDO, {"token": bad}).status_code == 422, bad
    assert client.post(UNDO).status_code == 422
    assert client.get(UNDO, {"token": token}).status_code == 405
    assert Client(enforce_csrf_checks=True).post(UNDO, {"token": token}).status_code in {302, 403}
    failure.refresh_from_db()
    assert failure.muted_until is not None
    assert client.post(UNDO, {"token": token}).status_code == 302


@pytest.mark.slow
def test_it_is_not_there_for_who_does_not_see_it_any_more(scene: Scene, visit: Visit, failure: Failure) -> None:
    world, now = scene.world, timezone.now()
    token = muted(scene, failure, now)
    pause_agent(agent=world.agent, reason="Odd", by=world.operator, now=now)
    pause = undo_of_pause(world.agent, by=world.operator, at=now)
    world.operator.teamuserright_set.all().delete()
    world.team.members.remove(world.operator)
    client = visit(world.operator)
    for signed in (token, pause):
        assert client.post(UNDO, {"token": signed}).status_code == 404
    assert reverse("admin:undo") == UNDO
    assert not Entry.objects.filter(kind__in=("failure.undone", "agent.resumed")).exists()
