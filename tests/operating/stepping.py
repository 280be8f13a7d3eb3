"""Walks every migration with rows in the tables, in a database of its own."""

from __future__ import annotations

import itertools
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from controlplane.operating.migrations import OURS
from tests.world import make_world

Node = tuple[str, str]


def walk() -> dict[str, Any]:
    """Go to the newest state with data of the oldest one that today's code can write, then each step back and forth.

    Rows are written by the product at the newest state, carried back to each app's first migration as far as every
    step can be taken back, and forth again. A table that a step takes away takes its rows along; all others keep
    theirs.
    """
    # The command, unlike the steps below, also writes the permissions that people are given.
    call_command("migrate", verbosity=0)
    make_world()
    before = _counts()
    steps, lost = 0, []
    for leaf in (node for node in _leaves() if node[0] in OURS):
        for older, newer in _steps_of(leaf):
            held = _counts()
            _to([older])
            gone = {name: number for name, number in held.items() if number and name not in _counts()}
            _to(_leaves())
            steps += 1
            now = _counts()
            lost += [
                f"{newer}: {name}" for name, number in held.items() if name not in gone and now.get(name) != number
            ]
            before = {name: number for name, number in before.items() if name not in gone}
    after = _counts()
    return {
        "filled": sum(1 for number in before.values() if number),
        "before": before,
        "after": {name: number for name, number in after.items() if name in before},
        "steps": steps,
        "lost": lost,
    }


def _steps_of(leaf: Node) -> list[tuple[Node, Node]]:
    """Return (older, newer) of each step of an app after its first migration."""
    graph = MigrationExecutor(connection).loader.graph
    line = [node for node in graph.forwards_plan(leaf) if node[0] == leaf[0]]
    return list(itertools.pairwise(line))[::-1]


def _leaves() -> list[Node]:
    loader = MigrationExecutor(connection).loader
    return sorted(loader.graph.leaf_nodes(), key=lambda node: node[0] not in OURS)


def _to(nodes: list[Node]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(nodes)


def _counts() -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            # Migrations themselves, and what Django writes after them, are no data.
            if name not in {"django_migrations", "django_content_type", "auth_permission"}:
                cursor.execute(f'SELECT COUNT(*) FROM "{name}"')
                found[name] = int(cursor.fetchone()[0])
    return found
