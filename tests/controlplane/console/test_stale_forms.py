"""Whoever saves a form that was opened before a colleague saved theirs is told, and takes nothing back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from approvals.models import Queue
from audit import sql
from audit.models import Entry
from controlplane.console.admins import page_of
from controlplane.console.dialogs import EditDialog
from costs.models import Budget
from costs.operations import save_budget
from registry.models import Team, User, Verb
from registry.operations import create_version
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene, make_scene
from tests.world import make_admin


def filled(client: Client, url: str) -> dict[str, Any]:
    """Return everything that a browser would send of a form as it was opened."""
    form = client.get(url, headers={"X-Console-Dialog": "1"}).context["form"]
    values = {field.html_name: field.value() for field in form}
    return {
        name: "on" if value is True else value
        for name, value in values.items()
        if value is not None and value is not False
    }


def _team(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    team, operator = scene.world.team, scene.world.operator
    stay = [member.pk for member in team.members.exclude(pk=operator.pk)]
    return (
        page_of(team, "edit"),
        {"members": stay},
        {"name": "Talents"},
        lambda: sorted(Team.objects.get(pk=team.pk).members.values_list("username", flat=True)),
    )


def _person(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    person = scene.world.operator
    return (
        page_of(person, "edit"),
        {"role": "reviewer"},
        {"first_name": "Olga"},
        lambda: User.objects.get(pk=person.pk).role,
    )


def _queue(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    queue = Queue.objects.get(slug="outreach")
    return page_of(queue, "edit"), {"quorum": "3"}, {"ttl": "12h"}, lambda: Queue.objects.get(pk=queue.pk).quorum


def _verb(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    verb = Verb.objects.get(name="email.send")
    return (
        page_of(verb, "edit"),
        {"review": "outreach"},
        {"data_classes": "pii, legal"},
        lambda: Verb.objects.get(pk=verb.pk).spec.get("review"),
    )


def _budget(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    document = {"agent": scene.world.agent.slug, "per": "month", "limit_usd": "10.00"}
    save_budget(slug="own", document=document, by=scene.world.admin, now=scene.now)
    budget = Budget.objects.get(slug="own")
    return (
        page_of(budget, "change-terms"),
        {"limit_usd": "2.00"},
        {"alert_at": "70"},
        lambda: Budget.objects.get(pk=budget.pk).limit_nanousd,
    )


def _draft(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]:
    version = create_version(
        agent=scene.world.agent, definition={"prompt": "a"}, note="", by=scene.world.admin, now=scene.now
    )
    return (
        page_of(version, "edit"),
        {"definition": '{"prompt": "b"}'},
        {"note": "late"},
        lambda: type(version).objects.get(pk=version.pk).definition,
    )


KINDS = {"team": _team, "person": _person, "queue": _queue, "verb": _verb, "budget": _budget, "draft": _draft}


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_opened_before_another_was_saved_takes_nothing_back(scene: Scene, visit: Visit, kind: str) -> None:
    url, change, late, read = KINDS[kind](scene)
    one, two = visit(scene.world.admin), visit(make_admin("second-admin"))
    first, stale = filled(one, url), filled(two, url)
    before = read()
    assert one.post(url, {**first, **change}).status_code == 302
    wanted, entries = read(), Entry.objects.count()
    assert wanted != before
    refused = two.post(url, {**stale, **late})
    assert (refused.status_code, "Somebody saved it" in refused.content.decode()) == (412, True)
    assert "Read it as it is now" in refused.content.decode()
    # What was typed is not lost, and is not mistaken for what is there.
    ((name, typed),) = late.items()
    assert typed in {field.sent for field in refused.context["not_saved"]}, name
    assert typed in refused.content.decode()
    assert (read(), Entry.objects.count()) == (wanted, entries)
    assert two.post(url, {**filled(two, url), **late}).status_code == 302
    assert read() == wanted
    without = {name: value for name, value in filled(two, url).items() if name != "seen"}
    assert two.post(url, without).status_code == 422


@pytest.fixture
def settled(transactional_db: None) -> Scene:
    return make_scene()


def _at_once(clients: list[Client], url: str, forms: list[dict[str, Any]]) -> list[int]:
    """Send several forms at the same moment."""
    gate, found = threading.Barrier(len(clients)), [0] * len(clients)

    def send(place: int) -> None:
        try:
            gate.wait(20)
            found[place] = clients[place].post(url, forms[place]).status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(place,)) for place in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(found)


def _race(scene: Scene, visit: Visit) -> Iterator[list[int]]:
    clients = [visit(scene.world.admin), visit(make_admin("second-admin"))]
    url = page_of(scene.world.team, "edit")
    for number in range(8):
        forms = [{**filled(client, url), "name": f"By {place} in {number}"} for place, client in enumerate(clients)]
        yield _at_once(clients, url, forms)


@pytest.mark.slow
def test_of_two_who_save_at_once_one_is_told(settled: Scene, visit: Visit) -> None:
    assert list(_race(settled, visit)) == [[302, 412]] * 8


@pytest.mark.slow
def test_the_naive_twin_lets_both_save(settled: Scene, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    def blindly(self: EditDialog, data: dict[str, Any]) -> Any:
        del data["seen"]
        return self.perform(data)

    monkeypatch.setattr(EditDialog, "carry_out", blindly)
    assert [302, 302] in list(_race(settled, visit))
    assert sql.now() > settled.now
