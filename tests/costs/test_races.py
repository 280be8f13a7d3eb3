"""Several writers at once: threads in the default tier, processes beyond it; both engines."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection, transaction

from audit.ids import new_id
from audit.refusals import Invalid
from costs import budgets
from costs.models import Budget, BudgetPeriod, Reservation, Usage
from costs.money import NANO
from costs.operations import record_usage, roll_up, save_budget
from costs.verification import Verification, verify_budgets, verify_rollups
from registry.models import Agent
from tests.costs.spending import CENT, make_budget, make_decision, make_report, reserve, spend, standing
from tests.engines import subprocess_environment
from tests.together import WAIT, at_once, raised
from tests.world import INSTALLATION, NOW, World, make_agent

ROOT = Path(__file__).resolve().parents[2]
CREW = 8


def processes(job: str, agents: list[str], *, tries: int, home: Path, meetings: int = 1) -> list[int]:
    """Run one process per agent, all at once; return how often each was admitted.

    Args:
        job: of `tests.costs.racer`.
        agents: whose; one process for each.
        tries: how often each tries.
        home: the data folder of all of them.
        meetings: how often the job waits for all others.
    """
    connection.close()
    crew = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.costs.racer", json.dumps({"job": job, "agent": agent, "tries": tries})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=subprocess_environment(CONTROLPLANE_HOME=str(home)),
        )
        for agent in agents
    ]  # fmt: skip
    try:
        for _meeting in range(meetings):
            for racer in crew:
                assert racer.stdout
                assert racer.stdout.readline() == "ready\n", racer.communicate()
            for racer in crew:
                assert racer.stdin
                racer.stdin.write("go\n")
                racer.stdin.flush()
        said = [racer.communicate(timeout=120) for racer in crew]
    finally:
        for racer in crew:
            racer.kill()
    failures = [stderr for racer, (_, stderr) in zip(crew, said, strict=True) if racer.returncode]
    assert not failures, failures[0]
    return [int(stdout) for stdout, _ in said]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_create_a_budget_at_once_one_is_told() -> None:
    for number in range(4):
        wanted = {"organisation": True, "per": "day"}
        calls = [
            partial(
                save_budget, slug=f"all-{number}", document={**wanted, "limit_usd": limit}, by=INSTALLATION, now=NOW,
                fresh=True,
            )
            for limit in ("1", "2")
        ]  # fmt: skip
        made = at_once(*calls)
        assert (raised(made), made.count(True)) == ([Invalid], 1), made
        assert Budget.objects.get(slug=f"all-{number}").limit_nanousd == (made.index(True) + 1) * NANO


def reserve_in_a_transaction(agent: Agent, cents: int) -> bool:
    with transaction.atomic():
        return reserve(agent, cents) is None


@pytest.mark.postgres_smoke
def test_reserve_at_once_admits_exactly_the_limit(live_world: World) -> None:
    make_budget(limit_usd="0.25")
    make_budget("agent", agent="job-applier", limit_usd="9")
    calls = [partial(reserve_in_a_transaction, live_world.agent, 5) for _ in range(CREW)]
    assert sorted(at_once(*calls)) == [False] * 3 + [True] * 5
    assert standing() == standing("agent") == (0, 25)
    assert verify_budgets().exact


@pytest.mark.postgres_smoke
def test_reserve_naive_twin_is_caught(live_world: World) -> None:
    make_budget(limit_usd="0.25")
    barrier = Barrier(CREW)

    def reserve_naively() -> bool:
        row = BudgetPeriod.objects.get()
        barrier.wait(WAIT)
        if row.settled_nanousd + row.reserved_nanousd + 5 * CENT > 25 * CENT:
            return False
        BudgetPeriod.objects.filter(pk=row.pk).update(reserved_nanousd=row.reserved_nanousd + 5 * CENT)
        return True

    assert at_once(*[reserve_naively] * CREW).count(True) > 5


@pytest.mark.postgres_smoke
def test_reserve_from_different_leaves_never_deadlocks(live_world: World) -> None:
    other = make_agent("mailer", owner=live_world.owner, team=live_world.team, by=live_world.admin)
    make_budget("all", organisation=True, at_limit="deny", limit_usd="9")
    make_budget(limit_usd="9")
    for agent in (live_world.agent, other):
        make_budget(agent.slug, agent=agent.slug, limit_usd="9")

    def several(agent: Agent) -> None:
        for _ in range(4):
            reserve_in_a_transaction(agent, 5)

    assert at_once(*[partial(several, agent) for agent in (live_world.agent, other) * 3]) == [None] * 6
    assert standing("all") == standing() == (0, 120)


@pytest.mark.postgres_smoke
def test_release_and_usage_at_once_end_a_reservation_once(live_world: World) -> None:
    make_budget(limit_usd="9")
    decision = make_decision(live_world.agent)
    reserve_in_a_transaction(live_world.agent, 5)
    with transaction.atomic():
        reserve(live_world.agent, 30, decision_id=decision)
    release = partial(budgets.release, decision_id=decision, by=INSTALLATION, now=NOW)
    outcomes = at_once(release, release, partial(spend, live_world.agent, 12, decision_id=decision), release)
    assert raised(outcomes) == []
    assert standing() == (12, 5)
    assert Reservation.objects.get(decision_id=decision).settled_nanousd == 12 * CENT
    assert verify_budgets().exact


@pytest.mark.postgres_smoke
def test_record_usage_at_once_counts_each_call_once(live_world: World) -> None:
    make_budget(limit_usd="9")
    reports = [make_report(live_world.agent, event_id=f"e{n}", response_id=f"r{n}") for n in range(12)]
    # Another instrument reports the same answers under its own ids, in another order.
    again = [make_report(live_world.agent, event_id=f"f{n}", response_id=f"r{n}") for n in reversed(range(12))]
    batches = [partial(record_usage, usages=batch, by=INSTALLATION, now=NOW) for batch in (reports, again) * 3]
    outcomes = at_once(*batches, partial(roll_up, now=NOW))
    assert raised(outcomes) == []
    assert Usage.objects.count() == 12
    assert standing() == (12, 0)
    roll_up(now=NOW)
    assert verify_rollups().exact


@pytest.mark.postgres_smoke
def test_budget_set_while_usage_arrives_counts_all_of_it(live_world: World) -> None:
    other = make_agent("mailer", owner=live_world.owner, team=live_world.team, by=live_world.admin)

    def several(agent: Agent) -> None:
        for _ in range(5):
            spend(agent, 1)

    def set_it() -> None:
        make_budget(limit_usd="9")

    assert raised(at_once(partial(several, live_world.agent), partial(several, other), set_it)) == []
    assert standing() == (10, 0)


@pytest.mark.postgres_smoke
def test_roll_up_while_usage_arrives_ends_exact(live_world: World) -> None:
    other = make_agent("mailer", owner=live_world.owner, team=live_world.team, by=live_world.admin)

    def several(agent: Agent) -> None:
        for _ in range(5):
            spend(agent, 1)

    def sum_up() -> None:
        for _ in range(5):
            roll_up(now=NOW)

    writers = [partial(several, agent) for agent in (live_world.agent, other)]
    assert raised(at_once(*writers, sum_up, sum_up)) == []
    roll_up(now=NOW)
    assert verify_rollups() == Verification(pending=0, differences=())


@pytest.mark.slow
def test_reserve_by_eight_processes_never_passes_the_limit(live_world: World, tmp_path: Path) -> None:
    make_budget()
    admitted = processes("reserve", ["job-applier"] * CREW, tries=20, home=tmp_path)
    assert sum(admitted) == 20
    assert standing() == (0, 100)
    assert Reservation.objects.held().count() == 20


@pytest.mark.slow
def test_reserve_naive_twin_in_eight_processes_is_caught(live_world: World, tmp_path: Path) -> None:
    make_budget()
    assert sum(processes("naive", ["job-applier"] * CREW, tries=20, home=tmp_path, meetings=2)) > 20


@pytest.mark.slow
def test_everything_by_eight_processes_ends_exact(live_world: World, tmp_path: Path) -> None:
    agents = [live_world.agent.slug]
    for number in range(3):
        name = f"agent-{number}"
        make_agent(name, owner=live_world.owner, team=live_world.team, by=live_world.admin)
        agents.append(name)
    make_budget(limit_usd="5.00")
    make_budget("all", organisation=True, at_limit="throttle", limit_usd="6.00")
    for agent in agents:
        make_budget(agent, agent=agent, limit_usd="2.00")
    admitted = processes("everything", agents * 2, tries=30, home=tmp_path)
    assert sum(admitted) > 0
    roll_up(now=NOW, limit=10_000)
    assert verify_budgets().exact
    assert verify_rollups().exact
    # What was set aside never passed the limit; only settlements above their estimate may.
    held = BudgetPeriod.objects.get(budget__slug="bound")
    assert held.reserved_nanousd <= 5 * NANO
    assert reserve(live_world.agent, 500, decision_id=new_id()) is not None
