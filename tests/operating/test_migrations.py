"""Migrations that lose nothing: the rules, planted offenders, and every step walked back and forth with data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import Migration, operations

from controlplane.operating import migrations
from tests.operating.elsewhere import Elsewhere, elsewhere


def migration(
    *steps: operations.base.Operation, name: str = "0007_named", app: str = "policies", after: str = "0006_x"
) -> Migration:
    made = Migration(name, app)
    made.operations = list(steps)
    made.dependencies = [(app, after)]
    return made


def rules(found: Migration, **released: str) -> list[str]:
    return [finding.rule for finding in migrations.findings(found, released=released)]


def nothing(_apps: object, _editor: object) -> None:
    """Change nothing."""


INDEX = models.Index(fields=("verb",), name="policies_x")
WORD = models.CharField(max_length=9)


@pytest.mark.parametrize(
    ("offender", "rule"),
    [
        (migration(operations.RunPython(nothing)), "one-way"),
        (migration(operations.RunSQL("UPDATE x SET y = 1")), "one-way"),
        (migration(operations.RunPython(nothing, nothing), operations.RemoveField("decision", "verb")), "mixed"),
        (migration(operations.AddField("decision", "word", WORD)), "no-default"),
        (migration(operations.AddField("decision", "word", models.IntegerField())), "no-default"),
        (
            migration(operations.AddField("decision", "w", models.TextField(null=True)), operations.DeleteModel("old")),
            "expands-and-contracts",
        ),
        (migration(name="0007_auto_20261124_1010"), "unnamed"),
        (migration(name="0007-Something"), "unnamed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_offender_is_named(offender: Migration, rule: str) -> None:
    assert rules(offender) == [rule]


@pytest.mark.parametrize(
    "harmless",
    [
        migration(operations.RunPython(nothing, nothing)),
        migration(operations.AddField("decision", "word", models.CharField(max_length=9, default=""))),
        migration(operations.AddField("decision", "word", models.IntegerField(db_default=0))),
        migration(operations.AddField("decision", "word", models.IntegerField(null=True))),
        migration(operations.AddIndex("decision", INDEX)),
        migration(operations.CreateModel("thing", [("word", WORD)]), operations.AddField("thing", "other", WORD)),
    ],
)
def test_harmless_is_left_alone(harmless: Migration) -> None:
    assert rules(harmless) == []


def test_index_on_a_big_table_after_the_first_release_is_concurrent() -> None:
    assert rules(migration(operations.AddIndex("decision", INDEX)), policies="0005_of_the_release") == ["locks"]
    assert rules(migration(operations.AddIndex("decision", INDEX)), policies="0007_named") == []
    assert rules(migration(operations.AddIndex("revision", INDEX)), policies="0005_of_the_release") == []
    assert rules(migration(AddIndexConcurrently("decision", INDEX)), policies="0005_of_the_release") == []


def test_branches_are_found() -> None:
    pair = [migration(name="0007_one"), migration(name="0007_two")]
    assert [finding.rule for finding in migrations.not_in_line(pair)] == ["branches"]


def test_every_migration_of_the_product_keeps_the_rules() -> None:
    assert [str(finding) for finding in migrations.findings_of_all()] == []


@pytest.mark.long(minutes=3)
@pytest.mark.django_db(transaction=True)
def test_every_step_keeps_the_data_forth_and_back(tmp_path: Path) -> None:
    """From the first release's tables with rows in them to the present, one step back, and forth again."""
    with elsewhere(tmp_path) as place:
        assert isinstance(place, Elsewhere)
        told = json.loads(place.tell("step"))
    assert told["filled"] > 0
    assert told["after"] == told["before"]
    assert told["steps"] > 0
    assert told["lost"] == []
