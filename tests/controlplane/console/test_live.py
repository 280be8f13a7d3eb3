"""Live, and what pages say about where they listen."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audit import sql
from registry.models import User
from tests.approvals.steps import FORM, ask, hold_mail, say
from tests.journeys.installation import Installation, build
from tests.world import make_person

FRAGMENT = {"X-Console-Dialog": "1"}


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


def _client(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def test_live_shows_what_arrived_and_a_held_action_once(installation: Installation) -> None:
    ask(installation, "form", **FORM)
    request = hold_mail(installation)
    page = _client("admin").get("/live/")
    assert [(row.kind, row.state, row.text) for row in page.context["rows"]] == [
        ("approval", "pending", "email.send"),
        ("effect", "allow", "form.submit"),
    ]
    say(request, "talent-reviewer", "reject")
    rows = _client("admin").get("/live/", headers=FRAGMENT)
    assert "<html" not in rows.content.decode()
    assert f'data-key="{request.pk}-rejected"' in rows.content.decode()


def test_live_shows_what_a_person_may_see(installation: Installation) -> None:
    make_person("somebody", "operator", now=sql.now())
    ask(installation, "form", **FORM)
    hold_mail(installation)
    seen = {
        name: [row.kind for row in _client(name).get("/live/").context["rows"]]
        for name in ("talent-lead", "talent-reviewer", "somebody")
    }
    assert seen == {"talent-lead": ["approval", "effect"], "talent-reviewer": ["approval"], "somebody": []}


def test_home_gives_its_needs_alone_to_the_script(installation: Installation) -> None:
    hold_mail(installation)
    client = _client("talent-reviewer")
    part = client.get("/home/", headers=FRAGMENT).content.decode()
    assert part.count("<li>") == 1
    assert "<html" not in part
    whole = client.get("/home/").content.decode()
    assert 'data-refetch="/home/"' in whole


def test_pages_say_where_they_listen(installation: Installation, settings: Any) -> None:
    assert f'data-events="{settings.LANE_URL}/events"' in _client("admin").get("/home/").content.decode()
    settings.LANE_URL = settings.PUBLIC_URL
    assert 'data-events="/events"' in _client("admin").get("/home/").content.decode()
    assert "data-events" not in Client().get("/login/").content.decode()
