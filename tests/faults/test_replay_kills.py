"""kill -9 in the middle of a replay of several slices: the next worker goes on, and the numbers are a calm run's.

Every child is a worker's process that does the slices one after the other, and dies before or behind a row that one of
them writes, or its commit. What a slice kept stands, what it did not keep is done again, and nothing is added up twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audit import sql
from audit.models import Entry
from controlplane.operating import replaying
from policies.models import Replay, Revision
from policies.operations import advance, save_draft, start_replay
from registry.models import User
from tests.controlplane.api.scene import FORM, MAIL, ask, make_ruled_world
from tests.faults.breaking import COMMIT
from tests.faults.naming import Point, killed, points_of
from tests.world import World

DECISIONS, ROWS = 24, 3
POLICY = "job-applications"
# A limit and a split guard, so that every slice hands windows on to the next, and mail that is newly allowed.
RULES: list[dict[str, Any]] = [
    {"allow": {"name": "forms", "verb": "form.submit"}},
    {"allow": {"name": "mail", "verb": "email.**"}},
    {"limit": {"name": "pace", "verb": "form.submit", "units": 23, "per": "1d", "by": "agent"}},
    {"split": {"name": "drip", "verb": "email.**", "distinct": "destination", "max": 3, "per": "1d"}},
]

pytestmark = pytest.mark.django_db(transaction=True)


class Decided:
    """Recorded decisions, and a draft to judge them by."""

    def __init__(self) -> None:
        world: World = make_ruled_world()
        for number in range(DECISIONS // 3):
            assert ask(world, f"form-{number}", **FORM, units=3).effect == "allow"
            payload = {"to": [f"p{number % 5}@acme.com"], "body": "Dear"}
            assert ask(world, f"mail-{number}", **{**MAIL, "payload": payload}).effect == "review"
            denied = ask(world, f"denied-{number}", verb="report.read", destination="https://a.example.com/")
            assert denied.effect == "deny"
        policies = {POLICY: {"applies_to": {"agents": ["job-applier"]}, "mode": "enforce", "rules": RULES}}
        self.admin: User = world.admin
        self.revision: Revision = save_draft(policies=policies, by=world.admin, now=sql.now())
        self.until: datetime = sql.now()

    def start(self) -> Replay:
        """Ask for one and the same period to be judged again."""
        since = self.until - timedelta(days=1)
        return start_replay(revision=self.revision, since=since, until=self.until, by=self.admin, now=sql.now())


def _slice(replay: Replay) -> bool:
    return advance(replay_id=replay.pk, measures=replaying.measures(), clock=sql.now, slice_of=timedelta(0), rows=ROWS)


def _worker(replay: Replay) -> Callable[[], None]:
    def work() -> None:
        while _slice(replay):
            pass

    return work


def _outcome(replay: Replay) -> dict[str, Any]:
    """Return all that is kept of an ended replay, and how often the trail tells of each step."""
    replay.refresh_from_db()
    told = Counter(Entry.objects.about("replay", str(replay.pk)).values_list("kind", flat=True))
    return {
        "state": replay.state, "total": replay.total, "done": replay.done, "cursor": replay.cursor,
        "memory": bytes(replay.memory), "result": replay.result, "told": told,
    }  # fmt: skip


def _calm(decided: Decided) -> tuple[dict[str, Any], list[Point]]:
    """Return what an undisturbed replay comes to, and the points that it passes."""
    calm = decided.start()
    points = points_of(_worker(calm), updates=True)
    found = _outcome(calm)
    # The comparison says something: there are several slices, every slice is kept by a commit of its own, and what was
    # held is newly allowed, up to a split guard, and what was allowed is newly blocked, from a limit on.
    assert points.count(Point(COMMIT, DECISIONS // ROWS, behind=True)) == 1
    assert (found["state"], found["done"], found["total"]) == ("finished", DECISIONS, DECISIONS)
    result = found["result"]
    allowed, blocked = result["newly_allowed"], result["newly_blocked"]
    assert (result["judged"], allowed["count"], blocked["rules"]) == (
        DECISIONS, 6, [[POLICY, "drip", 2], [POLICY, "pace", 1]],
    )  # fmt: skip
    return found, points


def _kill_and_go_on(decided: Decided, at: Point) -> tuple[dict[str, Any], int]:
    """Kill a worker at a point, go on with another; return what came out, and how much the first had kept."""
    replay = decided.start()
    assert killed(_worker(replay), at, updates=True), f"{at} was not met"
    replay.refresh_from_db()
    kept = replay.done
    if not replay.is_over:
        # The schedule finds it again, once nobody has gone on with it for a while.
        assert replaying.waiting(now=sql.now() + 2 * replaying.QUIET) == replay.pk
    _worker(replay)()
    return _outcome(replay), kept


def _killed_at(decided: Decided, calm: dict[str, Any], points: Iterable[Point]) -> Counter[int]:
    met: Counter[int] = Counter()
    for point in points:
        found, kept = _kill_and_go_on(decided, point)
        assert found == calm, str(point)
        met[kept] += 1
    return met


@pytest.mark.slow
def test_a_replay_whose_worker_is_killed_in_the_middle_comes_out_as_a_calm_one() -> None:
    decided = Decided()
    calm, _ = _calm(decided)
    middle = DECISIONS // ROWS // 2
    met = _killed_at(decided, calm, [Point(COMMIT, middle), Point(COMMIT, middle, behind=True)])
    # Before its commit a slice is lost, behind it kept.
    assert met == {(middle - 1) * ROWS: 1, middle * ROWS: 1}


@pytest.mark.long
def test_a_replay_whose_worker_is_killed_anywhere_comes_out_as_a_calm_one() -> None:
    decided = Decided()
    calm, points = _calm(decided)
    met = _killed_at(decided, calm, points)
    print(f"{connection.vendor}: {met.total()} kills at {len(points)} points; decisions kept by then: {dict(met)}")
    assert set(met) == set(range(0, DECISIONS + 1, ROWS))


@pytest.mark.slow
def test_a_worker_that_adds_a_slice_twice_is_caught() -> None:
    """The twin keeps its sums and forgets how far it was: what the comparison is there to find."""
    decided = Decided()
    calm, _ = _calm(decided)
    replay = decided.start()
    assert _slice(replay)
    Replay.objects.filter(pk=replay.pk).update(cursor=None, done=0)
    _worker(replay)()
    assert _outcome(replay)["result"] != calm["result"]
