"""Lists ask the database no more often for many rows than for one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import sql
from tests.controlplane.api.callers import LISTS, agent, person, rows
from tests.controlplane.api.scene import FORM, ask, hold, run, step
from tests.world import World, make_agent, make_key


def _many(world: World, start: int, count: int) -> None:
    """Let more of everything happen."""
    now = sql.now()
    caller = agent(world.text)
    for number in range(start, start + count):
        ask(world, f"form-{number}", **FORM)
        hold(world, f"mail-{number}")
        other = make_agent(f"b{number}", owner=world.owner, team=world.team, by=world.admin, now=now)
        make_key(other, by=world.admin, now=now)
        error = {"type": f"E{number}", "message": "gone"}
        items = [run(f"r{number}", status="failed", error=error), step(f"s{number}", f"r{number}", error=error)]
        assert caller.send("POST", "/ingest", {"items": items}).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("who", ["admin", "operator", "owner"])
def test_queries_do_not_grow_with_rows(ruled: World, who: str) -> None:
    caller = person(getattr(ruled, who))
    _many(ruled, 0, 1)
    paths = [path for path in LISTS if "/" not in path]
    counted = []
    for _ in range(2):
        found = {}
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                found[path] = len(rows(caller.get(f"/{path}")))
            found[path] = len(queries)
        counted.append(found)
        _many(ruled, 1, 3)
    assert counted[0] == counted[1]
    assert max(counted[0].values()) <= 10, counted[0]
