"""The list of agents: failures of a day and spend of the month, each as far as the person sees it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controlplane.console.admins import list_of, page_of
from controlplane.console.registry.agent_sums import Spent, failed_by_agent, spent_by_agent
from registry.models import Agent
from runs.models import Run
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_pages import report
from tests.costs.spending import CENT
from tests.world import make_agent

pytestmark = pytest.mark.slow


def test_an_agent_shows_its_failures_of_a_day_and_its_spend(scene: Scene, visit: Visit) -> None:
    run = report(scene)
    scene.spend(41)
    scene.spend(0, model="mystery-model", output=55)
    scene.roll_up()
    client = visit(scene.world.operator)
    shown = client.get(list_of(Agent)).content.decode()
    url = list_of(Run, "show=failed&since=24h&agent=job-applier")
    assert f'<a href="{url.replace("&", "&amp;")}">1</a>' in shown
    assert page_of(run) in client.get(url).content.decode()
    assert "$0.42 + 2 unpriced" in shown


def test_failures_older_than_a_day_are_not_counted(scene: Scene) -> None:
    run, user = report(scene), scene.world.operator
    assert failed_by_agent(user, now=scene.now) == {scene.world.agent.pk: 1}
    assert failed_by_agent(user, now=run.started_at + timedelta(hours=24, seconds=1)) == {}
    assert failed_by_agent(scene.world.stranger, now=scene.now) == {}


def test_spend_is_of_the_month_and_of_live_versions_and_of_what_the_person_sees(scene: Scene) -> None:
    world = scene.world
    idle = make_agent("idle", owner=world.owner, team=world.team, by=world.admin, now=scene.now)
    scene.spend(7)
    scene.spend(5, days_ago=40)
    scene.spend(3, shadow=True)
    scene.roll_up()
    both = [world.agent.pk, idle.pk]
    assert spent_by_agent(both, user=world.operator, now=scene.now) == {world.agent.pk: Spent(1, 0, 7 * CENT)}
    assert spent_by_agent(both, user=world.stranger, now=scene.now) == {}
