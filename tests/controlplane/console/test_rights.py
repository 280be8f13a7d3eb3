"""Who has which page, and what they find there (semantics 12)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from controlplane.console.admins import list_of, page_of, pages_of
from controlplane.console.map import PAGES, console
from policies.models import Decision
from registry.models import Agent, AgentKey, Team, User, Verb
from registry.operations import deactivate
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.world import make_agent, make_key

# Every page and caller is in the permission matrix too, so this runs with it.
pytestmark = pytest.mark.slow

ROLES = ("admin", "operator", "owner", "reviewer", "auditor", "stranger")
NOTHING = "Nothing that you may see is called"
OF_REVIEWERS = {"ApprovalRequest", "Channel", "Queue", "Team", "Verb"}
CONNECTIONS = {"Delivery", "Endpoint"}


def person(scene: Scene, role: str) -> User:
    found: User = getattr(scene.world, role)
    return found


def told(answer: Any) -> bytes:
    """Return what a page says, without the request's own id."""
    return bytes(answer.content).replace(answer["X-Request-ID"].encode(), b"")


def has_page(model: type[Model], role: str) -> bool:
    if model is User:
        return role == "admin"
    if model.__name__ in CONNECTIONS:
        return role in {"admin", "operator", "stranger"}
    return role != "reviewer" or model.__name__ in OF_REVIEWERS


def test_each_role_has_its_lists_and_the_sidebar_offers_them(scene: Scene, visit: Visit) -> None:
    for role in ROLES:
        client = visit(person(scene, role))
        home = client.get("/home/")
        assert home.status_code == 200
        for model in PAGES:
            expected = 200 if has_page(model, role) else 403
            assert client.get(list_of(model)).status_code == expected, (role, model)
            assert (f'href="{list_of(model)}"' in home.content.decode()) == has_page(model, role), (role, model)


def test_pages_of_an_agent_are_for_those_who_see_the_agent(scene: Scene, visit: Visit) -> None:
    rows = (scene.world.agent, scene.world.key, scene.submit())
    for role in ROLES:
        client, sees = visit(person(scene, role)), role not in {"reviewer", "stranger"}
        for row in rows:
            assert client.get(page_of(row)).status_code == (200 if sees else 404), (role, row)


def test_approval_page_is_for_those_who_see_the_request(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    for role in ROLES:
        answer = visit(person(scene, role)).get(page_of(request))
        assert answer.status_code == (404 if role == "stranger" else 200), role


def test_a_foreign_object_is_missing_in_the_same_words(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.stranger)
    foreign = client.get(page_of(scene.world.agent))
    missing = client.get(page_of(Agent(pk=987_654)))
    malformed = client.get("/registry/agent/nothing/")
    assert foreign.status_code == missing.status_code == malformed.status_code == 404
    assert told(foreign) == told(missing) == told(malformed)
    hold = page_of(scene.hold())
    assert told(client.get(hold)) == told(client.get(page_of(Decision(pk=uuid.uuid4()))))
    assert client.post(f"{page_of(scene.world.agent)}pause/", {"reason": "x"}).status_code == 404
    assert Agent.objects.get(pk=scene.world.agent.pk).state == "active"


def test_lists_hold_no_foreign_rows(scene: Scene, visit: Visit) -> None:
    world = scene.world
    other = make_agent("invoice-reader", owner=world.stranger, team=world.other, by=world.admin, now=scene.now)
    key, _ = make_key(other, by=world.stranger, now=scene.now)
    scene.hold()
    stranger, operator = visit(world.stranger), visit(world.operator)
    for model in PAGES:
        if model.__name__ in {"Verb", "Revision", "User", "ModelPrice"}:
            continue
        answer = stranger.get(list_of(model))
        assert answer.status_code == 200
        shown = answer.content.decode()
        assert "job-applier" not in shown, model
        assert world.key.public_id not in shown, model
    assert key.public_id not in operator.get(list_of(AgentKey)).content.decode()
    assert "invoice-reader" not in operator.get(list_of(Agent)).content.decode()


def test_search_finds_nothing_foreign_and_remembers_nothing(scene: Scene, visit: Visit) -> None:
    world, request = scene.world, scene.hold()
    operator, stranger = visit(world.operator), visit(world.stranger)
    for term in ("job", str(request.pk), str(request.decision_id)):
        assert NOTHING not in operator.get("/search/", {"s": term}).content.decode()
        assert NOTHING in stranger.get("/search/", {"s": term}).content.decode()
    deactivate(user=world.operator, by=world.admin, now=scene.now)
    assert operator.get("/search/", {"s": "job"}).status_code == 302


def test_nobody_gets_in_without_logging_in(scene: Scene) -> None:
    client = Client()
    for url in (
        "/",
        list_of(Agent),
        page_of(scene.world.agent),
        "/search/",
        "/demo/",
        f"{page_of(scene.world.agent)}pause/",
    ):
        answer = client.get(url)
        assert answer.status_code == 302, url
        assert answer.headers["Location"].startswith("/login/")


def test_buttons_that_are_not_theirs_are_disabled_with_the_reason(scene: Scene, visit: Visit) -> None:
    shown = visit(scene.world.auditor).get(page_of(scene.world.agent)).content.decode()
    assert "Operators of the agent&#x27;s team, its owner and administrators may do this." in shown
    assert f'href="{page_of(scene.world.agent, "pause")}"' not in shown
    owner = visit(scene.world.owner).get(page_of(scene.world.agent)).content.decode()
    assert f'href="{page_of(scene.world.agent, "pause")}"' in owner
    assert f'href="{page_of(scene.world.agent, "retire")}"' not in owner


def test_a_team_page_counts_only_visible_agents(scene: Scene, visit: Visit) -> None:
    shown = visit(scene.world.reviewer).get(page_of(Team.objects.get(slug="talent"))).content.decode()
    assert "Agents you see" in shown


def test_lists_ask_the_database_what_their_filters_and_links_ask_and_nothing_else(scene: Scene, visit: Visit) -> None:
    probes = ("regex", "iregex", "startswith", "contains", "gt", "range")
    found = pages_of(console())
    assert set(found) == set(PAGES)
    for model, pages in found.items():
        columns = [field.name for field in model._meta.concrete_fields]
        asked = [f"{name}__{probe}" for name in ("pk", *columns) for probe in probes]
        # Saying whether an entry's kind begins with a word shows nothing that the list does not.
        assert [each for each in asked if pages.lookup_allowed(each, "x")] in ([], ["kind__startswith"]), model
    client = visit(scene.world.admin)
    for url, status in (
        (f"{list_of(User)}?role__exact=owner", 200),
        (f"{list_of(User)}?password__startswith=pbkdf2", 400),
        (f"{list_of(User)}?password__exact=x", 400),
        (f"{list_of(Verb)}?name__regex=^(([a-z.]{{1,9}})%2B)%2B!", 400),
        (f"{list_of(Verb)}?pk__regex=x", 400),
    ):
        assert client.get(url).status_code == status, url
