"""Web processes and workers killed at random moments and at each kind of point: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection

from policies.models import Admission, Decision
from tests.engines import subprocess_environment
from tests.faults import books
from tests.faults.killing import doors, judge, kill_processes, report, serving, telling
from tests.faults.stage import FORM, build
from tests.faults.test_statements import SEED

KILLS = int(os.environ.get("FAULTS_KILLS", "500"))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "wanted", [pytest.param(12, marks=pytest.mark.slow), pytest.param(KILLS, marks=pytest.mark.long(minutes=3))]
)
def test_nothing_acknowledged_is_lost_and_nothing_doubled(wanted: int, tmp_path: Path) -> None:
    stage = build()
    connection.close()
    environment = subprocess_environment(CONTROLPLANE_LOG_LEVEL="error")
    with (
        serving(tmp_path, environment, seed=SEED) as (port, slots),
        telling(doors(stage, port), seed=SEED) as (ledger, _),
    ):
        kills = kill_processes(slots, wanted, random.Random(SEED), ledger)
    found = books.check(ledger.promises, ledger.abandoned)
    told = f"{kills.total} kills ({kills.at_random} at random, {kills.at_points} at points, {kills.inside} inside)"
    report(f"{connection.vendor}, {dict(kills.of)}", told, ledger, found, seed=SEED)
    judge(ledger, found)
    assert kills.total >= wanted
    assert ledger.broken >= wanted * 0.2
    assert found.acknowledged >= wanted


@pytest.mark.slow
def test_the_books_notice_what_is_lost_doubled_and_taken_without_a_decision() -> None:
    stage = build()
    allowed = stage.ask(**FORM)
    row = Decision.objects.get(pk=allowed["id"])
    true = {"kind": "ask", "id": allowed["id"], "key": row.idempotency_key, "effect": "allow"}
    clean = books.check([true], [])
    assert (clean.lost, clean.doubled, clean.wrong) == ([], [], [])

    assert len(books.check([{**true, "id": str(uuid4())}], []).lost) == 1
    assert len(books.check([{"kind": "ingest", "run": "run-x", "steps": []}], []).lost) == 1
    again = Admission.objects.get(decision_id=row.pk)
    again.pk = None
    again.save()
    assert len(books.check([true], []).doubled) == 1
    again.pk = None
    again.decision_id = uuid4()
    again.save()
    assert any("without a decision" in words for words in books.check([true], []).wrong)
