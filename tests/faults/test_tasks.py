"""Every registered task, twice in a row, twice at once, and killed at each point: its effect comes exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from controlplane.celery import app
from tests.faults.children import registered
from tests.faults.nursery import Nursery, nursery
from tests.faults.pictures import Effect, Watcher, difference
from tests.faults.stage import Stage, build
from tests.faults.tasks import CASES, Case

BY_NAME = {case.name: case for case in CASES}
# What only speaks to a broker has nothing to do twice, and waits long for one that is away here.
EACH = [pytest.param(name, marks=pytest.mark.long) if BY_NAME[name].effectless else name for name in sorted(BY_NAME)]
MOST_POINTS = 500

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stage(transactional_db: None) -> Stage:
    registered()
    return build()


@pytest.fixture
def watcher(stage: Stage) -> Iterator[Watcher]:
    found = Watcher()
    yield found
    found.close()


@pytest.fixture
def children(stage: Stage) -> Iterator[Nursery]:
    with nursery() as found:
        yield found


def _do(case: Case) -> None:
    app.tasks[case.name].apply(kwargs=dict(case.arguments), throw=True)


def _clean(case: Case, stage: Stage, watcher: Watcher) -> Effect:
    """Return the effect of one undisturbed run, the same twice; the first run of all may do more."""
    effects: list[Effect] = []
    # What writes nothing speaks to a broker that is away here, which takes its time.
    while len(effects) < (1 if case.effectless else 3):
        names = [case.prepare(stage)]
        before = watcher.picture()
        _do(case)
        effects.append(watcher.effect(before, watcher.picture(), names=names))
    assert effects[-1] == effects[len(effects) // 2]
    assert bool(effects[-1]) is not case.effectless, "the case gives the task nothing to do"
    return effects[-1]


@pytest.mark.django_db
def test_every_task_has_a_case() -> None:
    assert sorted(BY_NAME) == registered(), "a task without a case here may have its effect twice"


@pytest.mark.django_db
def test_every_task_of_the_schedule_is_registered_and_takes_arguments_of_a_newer_beat() -> None:
    ours = registered()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(ours)
    for name in ours:
        assert app.tasks[name].run.__code__.co_flags & 0x08, f"{name} takes no **kwargs"


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_a_second_run_changes_nothing(name: str, stage: Stage, watcher: Watcher) -> None:
    case = BY_NAME[name]
    clean = _clean(case, stage, watcher)
    names = [case.prepare(stage)]
    before = watcher.picture()
    app.tasks[name].apply(kwargs={**case.arguments, "sent_by_a_newer_beat": 1}, throw=True)
    once = watcher.picture()
    assert watcher.effect(before, once, names=names) == clean
    _do(case)
    if case.repeats:
        assert watcher.effect(once, watcher.picture()) == clean
    else:
        assert difference(once, watcher.picture()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_two_at_once_have_the_effect_of_one(name: str, stage: Stage, watcher: Watcher, children: Nursery) -> None:
    case = BY_NAME[name]
    clean = _clean(case, stage, watcher)
    connection.close()
    for _ in range(1 if case.effectless else 5):
        names = [case.prepare(stage)]
        before = watcher.picture()
        order = {"job": "task", "name": name, **case.arguments}
        children.run(order, order)
        runs = 2 if case.repeats else 1
        assert watcher.effect(before, watcher.picture(), names=names) == _times(clean, runs)


def _times(effect: Effect, runs: int) -> Effect:
    return Counter({line: count * runs for line, count in effect.items()})


def _killed(case: Case, stage: Stage, watcher: Watcher, children: Nursery, *, every: int) -> tuple[int, int]:
    """Kill it before and behind each point, then do it; return points and kills."""
    clean = _clean(case, stage, watcher)
    kills = 0
    for at in range(0, MOST_POINTS, every):
        names = [case.prepare(stage)]
        before = watcher.picture()
        met = 0
        # Two crashes in a row, as a crash that its successor repeats.
        for after in (False, True):
            order = {"job": "task", "name": case.name, "at": at, "after": after, **case.arguments}
            (end,) = children.run(order)
            met += end["signal"] == 9
        case.afterwards()
        _do(case)
        found = watcher.effect(before, watcher.picture(), names=names)
        # What was killed behind its commit has kept its finding.
        admitted = [_times(clean, runs) for runs in (1, 2, 3)] if case.repeats else [clean]
        assert found in admitted, f"killed at point {at}: + {list(found - clean)} - {list(clean - found)}"
        kills += met
        if not met:
            return at, kills
    raise AssertionError("the task does not end")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audit.seal", "approvals.sweep", "costs.roll_up"])
def test_killed_at_some_points_it_is_done_once(name: str, stage: Stage, watcher: Watcher, children: Nursery) -> None:
    points, kills = _killed(BY_NAME[name], stage, watcher, children, every=5)
    assert kills >= points // 5


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_killed_at_each_point_it_is_done_once(name: str, stage: Stage, watcher: Watcher, children: Nursery) -> None:
    points, kills = _killed(BY_NAME[name], stage, watcher, children, every=1)
    print(f"{name}: {points} points, killed {kills} times before and behind them, done once each time")
    assert kills >= points
