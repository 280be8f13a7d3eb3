"""Moments that UTC does not have: what names one is refused in words, wherever a person or a client may write it."""

from __future__ import annotations

import base64
import json

import pytest

from audit.models import Entry
from controlplane.console.admins import NEW_SINCE, list_of
from costs.models import Usage
from policies.models import Revision
from tests.controlplane.api.callers import person
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene

ENDS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
pytestmark = pytest.mark.parametrize("end", ENDS)


def token(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_cursors_of_the_api(scene: Scene, end: str) -> None:
    cursor = token("created_at", end, "00000000-0000-7000-8000-000000000000")
    answer = person(scene.world.admin).get(f"/approvals?ordering=created_at&cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


def test_simulations(scene: Scene, end: str) -> None:
    question = {"agent": scene.world.agent.slug, "action": {"verb": "email.send"}, "at": end}
    assert person(scene.world.admin).send("POST", "/policies/simulate", question).status_code < 500


def test_lists_of_the_console(scene: Scene, visit: Visit, end: str) -> None:
    client = visit(scene.world.admin)
    assert "is no time" in client.get(list_of(Entry), {"at__gte": end}).content.decode()
    # PostgreSQL knows times beyond the calendar's; SQLite is not asked.
    assert client.get(list_of(Usage), {"at__gte": end}, follow=True).status_code == 200
    place = token(end, "00000000-0000-7000-8000-000000000000")
    assert "e=1" in client.get(list_of(Entry), {"after": place}, follow=True).redirect_chain[-1][0]
    assert client.get(list_of(Entry), headers={NEW_SINCE: place}).status_code == 400


def test_forms_of_the_console(scene: Scene, visit: Visit, end: str) -> None:
    client = visit(scene.world.admin)
    exported = client.post(f"{list_of(Entry)}do/export/", {"form": "csv", "since": end})
    assert "Enter a valid date/time." in exported.content.decode()
    tried = client.post(f"{list_of(Revision)}do/try/", {"agent": scene.world.agent.slug, "verb": "x.y", "at": end})
    assert "Enter a valid date/time." in tried.content.decode()
