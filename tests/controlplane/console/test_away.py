"""While you were away: what was decided and spent since the log-in before the present one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controlplane.accounts.sessions import note_log_in
from controlplane.console.admins import page_of
from controlplane.console.away import closed_since, log_in_before, read_away
from registry.models import User
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import send
from tests.costs.spending import CENT

pytestmark = pytest.mark.slow


def logged_in(user: User, scene: Scene, *hours_ago: int) -> None:
    for hours in hours_ago:
        note_log_in(user=user, methods=["password"], now=scene.now - timedelta(hours=hours))


def test_home_tells_what_was_decided_and_spent_since_the_visit_before(scene: Scene, visit: Visit) -> None:
    world = scene.world
    decided, waiting = scene.hold(), scene.hold()
    assert send(visit(world.second), decided, "reject", comment="No").status_code == 302
    scene.spend(41)
    scene.spend(7, days_ago=9)
    scene.roll_up()
    client = visit(world.operator)
    logged_in(world.operator, scene, 30)
    assert "While you were away" not in client.get("/home/").content.decode()
    logged_in(world.operator, scene, 0)
    answer = client.get("/home/")
    shown, away = answer.content.decode(), answer.context["page"].away
    assert ">1 decided</a>, <span" in shown
    assert (away.since, away.nanousd) == (scene.now - timedelta(hours=30), 41 * CENT)
    rows = client.get(away.decided_url).content.decode()
    assert (page_of(decided) in rows, page_of(waiting) in rows) == (True, False)
    logged_in(world.reviewer, scene, 30, 0)
    told = visit(world.reviewer).get("/home/").context["page"].away
    assert (told.decided, told.nanousd) == ("1", None)
    logged_in(world.stranger, scene, 30, 0)
    theirs = visit(world.stranger).get("/home/").context["page"].away
    assert (theirs.decided, theirs.nanousd) == ("0", 0)


def test_what_was_decided_before_does_not_count_and_of_a_long_absence_whole_days_do(scene: Scene, visit: Visit) -> None:
    world, request = scene.world, scene.hold()
    assert send(visit(world.second), request, "reject", comment="No").status_code == 302
    request.refresh_from_db()
    assert request.closed_at is not None
    assert list(closed_since(world.operator, request.closed_at)) == [request]
    assert not closed_since(world.operator, request.closed_at + timedelta(microseconds=1))
    assert not closed_since(world.operator, None)
    scene.spend(41)
    scene.spend(7, days_ago=9)
    scene.spend(3, days_ago=9, shadow=True)
    scene.roll_up()
    away = read_away(world.operator, since=scene.now - timedelta(days=9), decided="1", has_money=True, now=scene.now)
    assert away.nanousd == 48 * CENT


def test_only_the_persons_own_log_ins_count(scene: Scene) -> None:
    world = scene.world
    logged_in(world.operator, scene, 50, 40, 0)
    logged_in(world.admin, scene, 30, 20)
    assert log_in_before(world.operator) == scene.now - timedelta(hours=40)
    assert log_in_before(world.owner) is None
