"""A document is applied while somebody saves: what it does not name stays as they saved it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction

from approvals.models import Queue
from approvals.operations import save_queue
from controlplane.apply import Plan, apply_document
from registry import operations
from registry.models import Agent, AgentTransfer, Team
from tests.controlplane.apply.conftest import signs
from tests.together import WAIT, at_once, raised
from tests.world import NOW, World, make_person, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def _wait_for_a_waiter() -> None:
    """Return once another connection waits for a lock of this one."""
    if connection.vendor != "postgresql":
        sleep(0.1)  # SQLite tells nobody who waits; too short shows less, and fails nothing
        return
    ends = monotonic() + WAIT
    with connection.cursor() as asking:
        while monotonic() < ends:
            asking.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if asking.fetchone():
                return
            sleep(0.01)
    raise AssertionError("nobody waits")


def applied_while(text: str, save: Callable[[], Any], world: World) -> Plan:
    """Apply a document that begins when something is saved, and before that is committed."""
    saved = Event()

    def first() -> None:
        try:
            with transaction.atomic():
                save()
                saved.set()
                _wait_for_a_waiter()
        finally:
            saved.set()

    def then() -> Plan:
        assert saved.wait(WAIT)
        return apply_document(text=text, by=world.admin, now=NOW)

    outcomes = at_once(first, then)
    assert raised(outcomes) == [], outcomes
    plan: Plan = outcomes[1]
    return plan


@pytest.mark.postgres_smoke
def test_what_was_configured_meanwhile_stays(world: World) -> None:
    def save() -> None:
        operations.save_agent(
            slug="job-applier", name="Job application agent", owner=world.owner, team=world.team,
            capabilities=["read"], tags=["contained"], by=world.operator, now=NOW,
        )  # fmt: skip

    plan = applied_while("agents: {job-applier: {purpose: Something else}}", save, world)
    agent = Agent.objects.get()
    assert (agent.purpose, agent.capabilities, agent.data_scopes, agent.tags) == (
        "Something else", ["read"], [], ["contained"]
    )  # fmt: skip
    (change,) = plan.changes
    assert change.lines == ("- purpose: ''", "+ purpose: Something else")


@pytest.mark.slow
def test_what_was_handed_over_meanwhile_stays_there(world: World) -> None:
    agent = Agent.objects.select_related("team", "owner").get()
    proposed = operations.propose_transfer(
        agent=agent, owner=world.stranger, team=world.other, reason="r", by=world.admin, now=NOW
    )

    def save() -> None:
        proposal = AgentTransfer.objects.select_related("agent__team", "team", "owner").get(pk=proposed.pk)
        operations.accept_transfer(proposal=proposal, by=world.admin, now=NOW)

    applied_while("agents: {job-applier: {purpose: Something else}}", save, world)
    agent = Agent.objects.select_related("team", "owner").get()
    assert (agent.owner.username, agent.team.slug, agent.purpose) == ("billing-operator", "billing", "Something else")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["team", "person", "newcomer"])
def test_who_belongs_to_a_team_meanwhile_stays(world: World, way: str) -> None:
    members = {"second-reviewer", "talent-lead", "talent-operator", "talent-reviewer"}

    def save() -> None:
        if way == "team":
            some = [world.owner, world.reviewer]
            operations.save_team(slug="talent", name="Talent", lead=world.owner, members=some, by=world.admin, now=NOW)
        elif way == "person":
            operations.edit_person(
                user=world.second, first_name="", last_name="", email="", role="reviewer", teams=[], by=world.admin,
                now=NOW,
            )  # fmt: skip
        else:
            operations.create_person(username="newcomer", role="reviewer", teams=[world.team], by=world.admin, now=NOW)

    applied_while("teams: {talent: {name: People}}", save, world)
    left = {
        "team": {"talent-lead", "talent-reviewer"},
        "person": members - {"second-reviewer"},
        "newcomer": members | {"newcomer"},
    }
    team = Team.objects.get(slug="talent")
    assert (team.name, set(team.members.values_list("username", flat=True))) == ("People", left[way])


@pytest.mark.slow
def test_who_loses_a_role_while_joining_a_team_does_not_operate_it(world: World) -> None:
    joiner = make_person("joiner", "operator")
    names = "[second-reviewer, talent-lead, talent-operator, talent-reviewer, joiner]"

    def save() -> None:
        operations.set_role(user=joiner, role="reviewer", by=world.admin, now=NOW)

    applied_while(f"teams: {{talent: {{members: {names}}}}}", save, world)
    assert not Team.objects.operated_by(type(joiner).objects.get(pk=joiner.pk)).exists()


def _queue(world: World, **terms: Any) -> None:
    given: dict[str, Any] = {
        "reviewers": ["talent"], "quorum": 1, "ttl_seconds": 3600, "edits": True, "editor_may_approve": False,
        "owner_may_approve": True, **terms,
    }  # fmt: skip
    save_queue(slug="outreach", **given, by=world.admin, now=NOW)


@pytest.mark.slow
def test_a_queue_keeps_what_was_saved_meanwhile(world: World) -> None:
    _queue(world)
    applied_while("queues: {outreach: {ttl: 2h}}", lambda: _queue(world, quorum=3, reviewers=["billing"]), world)
    queue = Queue.objects.get()
    assert (queue.quorum, queue.ttl_seconds) == (3, 7200)
    assert [team.slug for team in queue.reviewers.all()] == ["billing"]


@pytest.mark.slow
def test_a_queue_that_was_created_meanwhile_keeps_what_the_document_does_not_name(world: World) -> None:
    text = "queues: {outreach: {ttl: 2h, reviewers: [talent]}}"
    plan = applied_while(text, lambda: _queue(world, quorum=3), world)
    assert [change.sign for change in plan.changes] == ["~"]
    queue = Queue.objects.get()
    assert (queue.quorum, queue.ttl_seconds) == (3, 7200)


@pytest.mark.slow
def test_documents_and_people_that_change_teams_do_not_wait_for_each_other(world: World) -> None:
    def turn(number: int) -> None:
        for each in range(3):
            role = ("reviewer", "operator")[(number + each) % 2]
            operations.edit_person(
                user=type(world.second).objects.get(pk=world.second.pk), first_name=f"{number}{each}", last_name="",
                email="", role=role, teams=[world.team] if each % 2 else [], by=world.admin, now=NOW,
            )  # fmt: skip

    def rename(number: int) -> Plan:
        text = f"teams: {{talent: {{name: N{number}}}}}\nagents: {{job-applier: {{purpose: P{number}}}}}"
        return apply_document(text=text, by=world.admin, now=NOW)

    calls = [lambda n=n: turn(n) for n in range(2)] + [lambda n=n: rename(n) for n in range(3)]
    outcomes = at_once(*calls)
    assert raised(outcomes) == [], outcomes
    assert {"teams/talent", "agents/job-applier"} <= set(signs(outcomes[-1]))
