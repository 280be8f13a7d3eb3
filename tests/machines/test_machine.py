"""The journey of an action as a state machine: random histories on the product and on a small model of it."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from approvals import states
from costs.states import RESERVATION
from tests.machines import hands, twins
from tests.machines.books import Edge
from tests.machines.hands import Hands, Stage
from tests.machines.machine import Machine
from tests.machines.things import EDGES

# The product decides in one code on both engines; what differs between them is raced and broken in tests of its own.
AT_LEAST = {"sqlite": 100, "postgresql": 25}[connection.vendor]
# Histories are drawn anew each time, so how many it takes until the rarest edge has its number is not known before.
EXAMPLES, MOST_ROUNDS = 60, 12


@pytest.fixture
def stage(db: None) -> Stage:
    return hands.build()


def _run(stage: Stage, kind: type[Hands], *, examples: int, steps: int = 20, shrink: bool = True) -> Counter[Edge]:
    edges: Counter[Edge] = Counter()
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, phases=phases,
        derandomize=not shrink, suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(lambda: Machine(stage, kind, edges), settings=chosen)
    return edges


def test_the_model_knows_every_edge_of_the_tables() -> None:
    tables = {"approval": states.APPROVAL, "grant": states.GRANT, "reservation": RESERVATION}
    assert {
        (name, before, after) for name, table in tables.items() for before, all_ in table.items() for after in all_
    } == EDGES


@pytest.mark.slow
def test_every_step_of_some_histories_is_as_promised(stage: Stage) -> None:
    assert _run(stage, Hands, examples=8, steps=8).total() > 20


@pytest.mark.long(minutes=6)
def test_every_legal_edge_is_gone_along_many_times(stage: Stage) -> None:
    edges: Counter[Edge] = Counter()
    rounds = 0
    while rounds < MOST_ROUNDS and min(edges[edge] for edge in EDGES) < AT_LEAST:
        edges += _run(stage, Hands, examples=EXAMPLES)
        rounds += 1
    print(f"{connection.vendor}: {edges.total()} edges in {rounds * EXAMPLES} histories")
    for machine, before, after in sorted(EDGES):
        print(f"  {machine}: {before} -> {after}: {edges[machine, before, after]}")
    assert min(edges[edge] for edge in EDGES) >= AT_LEAST, edges


@pytest.mark.slow
@pytest.mark.parametrize(
    ("twin", "words"),
    [
        (twins.SkipsTheQuorum, "answered '' and not 'policy_changed'"),
        (twins.ForgetsTheEpoch, "answered '' and not 'policy_changed'"),
        (twins.KeepsVotesOverAnEdit, r"mail-\d+ is .*approved"),
    ],
)
def test_naive_twins_are_found(twin: type[Hands], words: str, stage: Stage) -> None:
    with pytest.raises(AssertionError, match=words):
        _run(stage, twin, examples=40, steps=10, shrink=False)
