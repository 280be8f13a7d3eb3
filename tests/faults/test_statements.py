"""A fault at each statement and each commit of every kind of request: nothing is allowed, taken or half written."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.faults import twins
from tests.faults.breaking import Fault, Kind, broken
from tests.faults.pictures import Watcher
from tests.faults.probing import Probe
from tests.faults.requests import REQUESTS, Request
from tests.faults.stage import Stage, build

SEED = int(os.environ.get("FAULTS_SEED", "20261124"))
SMOKED = {"ask: allow", "vote: completing the quorum", "redeem: own", "ingest: usage"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(transactional_db: None) -> Iterator[Stage]:
    # Connections live as long as in production.
    known = connection.settings_dict["CONN_MAX_AGE"]
    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = None if connection.vendor == "sqlite" else 60
    yield build()
    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = known


@pytest.fixture
def watcher(stage: Stage) -> Iterator[Watcher]:
    found = Watcher()
    yield found
    found.close()


@pytest.mark.parametrize(
    "request_kind",
    [pytest.param(each, marks=pytest.mark.long(minutes=4 if each.name == "apply" else 1)) for each in REQUESTS],
    ids=lambda request: request.name,
)
def test_a_fault_at_each_statement(request_kind: Request, stage: Stage, watcher: Watcher) -> None:
    probe = Probe(request_kind, stage, watcher, random.Random(SEED))
    tale = probe.run(Kind)
    print(
        f"{request_kind.name}: {tale.points} points × {len(Kind)} kinds = {tale.tried.total()} faults, "
        f"{tale.survived.total()} survived whole, {len(tale.wrong)} wrong; seed {SEED}"
    )
    assert not tale.wrong, "\n".join(tale.wrong)
    # Every point was met, the few beside the request at least once.
    assert all(tale.tried[kind] for kind in Kind)
    assert tale.tried.total() >= tale.points * len(Kind) * 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_kind", [each for each in REQUESTS if each.name in SMOKED], ids=lambda request: request.name
)
def test_a_fault_at_some_statements(request_kind: Request, stage: Stage, watcher: Watcher) -> None:
    tale = Probe(request_kind, stage, watcher, random.Random(SEED)).run(Kind, every=5)
    assert not tale.wrong, "\n".join(tale.wrong)
    assert tale.tried.total() >= len(Kind) * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("twin", "words"),
    [
        (twins.SWALLOWS_THE_LIMIT, "answered 200 all the same"),
        (twins.SWALLOWS_THE_TRAIL, "answered 200 all the same"),
        (twins.TWO_WRITES, "left something behind"),
    ],
    ids=lambda value: value.name if isinstance(value, Request) else "",
)
def test_naive_twins_are_caught(twin: Request, words: str, stage: Stage, watcher: Watcher) -> None:
    tale = Probe(twin, stage, watcher, random.Random(SEED)).run([Kind.OPERATIONAL])
    assert any(words in line for line in tale.wrong), tale


@pytest.mark.slow
def test_every_statement_of_an_ask_is_met(stage: Stage) -> None:
    """The hot path's raw SQL goes through the counted door as well: what the engine itself saw is compared."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite tells a connection what it executed; the code is the same")
    prepared = next(each for each in REQUESTS if each.name == "ask: allow, in a run nobody reported").prepare(stage)
    seen: list[str] = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(seen.append)
    with broken(Fault()) as fault:
        assert prepared.send().status_code == 200
    connection.connection.set_trace_callback(None)
    # What a trigger or a nested statement does is told with a comment.
    executed = [text for text in seen if not text.startswith("--")]
    assert [text.split()[0].upper() for text in executed] == [text.split()[0].upper() for text in fault.points]
    assert len(fault.points) > 12
