"""kill -9 before and behind each row that ask, vote, redeem, outcome and delivery write, and again the same words.

One effect comes of it, and nothing is lost: behind the commit the retry finds what was done, before it nothing was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import connection

from audit.models import Entry, Seal
from controlplane.celery import app
from controlplane.delivery.models import Cursor, Delivery
from controlplane.delivery.readers import READERS
from controlplane.delivery.states import Means
from tests.faults.breaking import COMMIT
from tests.faults.children import registered
from tests.faults.naming import Point, killed, points_of
from tests.faults.pictures import Effect, Picture, Watcher, difference
from tests.faults.requests import REQUESTS, Prepared, Request
from tests.faults.stage import Stage, build
from tests.faults.tasks import CASES
from tests.faults.twins import TWO_WRITES, cursor_first

TIMES = int(os.environ.get("FAULTS_NAMED_KILLS", "20"))
# Of changed rows and commits of the readers, of which there are more than of new rows.
TIMES_BESIDE = max(1, TIMES // 4)
NAMED = {
    "ask: allow", "ask: review", "ask: deny", "vote: completing the quorum", "redeem: own", "redeem: handed over",
    "outcome",
}  # fmt: skip
EACH = [request for request in REQUESTS if request.name in NAMED]
DELIVERIES = [case for case in CASES if case.name in {"delivery.follow", "delivery.send"}]
# Rows without which a request of that name is not one: should they get another name, the test says so.
ROWS = {
    "ask: allow": {"INSERT policies_decision", "INSERT policies_payload", "INSERT audit_entry",
                   "INSERT policies_admission", "INSERT costs_reservation", "INSERT approvals_grant"},
    "ask: review": {"INSERT policies_decision", "INSERT audit_entry", "INSERT approvals_approvalrequest",
                    "INSERT approvals_approvalrequest_queues", "INSERT approvals_actionrevision"},
    "ask: deny": {"INSERT policies_decision", "INSERT audit_entry"},
    "vote: completing the quorum": {"INSERT approvals_vote", "INSERT audit_entry", "UPDATE approvals_approvalrequest",
                                    "INSERT approvals_grant"},
    "redeem: own": {"INSERT policies_admission", "INSERT costs_reservation", "UPDATE approvals_grant",
                    "INSERT audit_entry"},
    "redeem: handed over": {"UPDATE approvals_grant", "INSERT audit_entry"},
    "outcome": {"UPDATE approvals_grant", "INSERT audit_entry"},
    "delivery.follow": {"INSERT audit_seal", "UPDATE delivery_cursor", "INSERT delivery_delivery",
                        "INSERT audit_entry"},
    "delivery.send": {"UPDATE delivery_delivery", "UPDATE delivery_endpoint", "INSERT delivery_attempt",
                      "INSERT audit_entry"},
}  # fmt: skip
# For what an endpoint, a person's channel and an agent's callback are told of.
TOLD = {"test.noted": Means.WEBHOOK, "approval.requested": Means.NOTICE, "approval.cancelled": Means.CALLBACK}
PUMPED = [reader.name for reader in READERS if reader.take is not None]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(transactional_db: None) -> Stage:
    registered()
    return build()


@pytest.fixture
def watcher(stage: Stage) -> Iterator[Watcher]:
    found = Watcher()
    yield found
    found.close()


def _clean(request: Request, stage: Stage, watcher: Watcher) -> tuple[Effect, list[Point]]:
    """Return the effect of one undisturbed request, and its points; the first of its kind may do more than others."""
    effect: Effect = Counter()
    points: list[Point] = []
    for _ in range(2):
        prepared = request.prepare(stage)
        before = watcher.picture()
        points = points_of(prepared.send)
        effect = watcher.effect(before, watcher.picture(), names=prepared.names)
    return effect, points


def _kill_and_retry(
    request: Request, prepared: Prepared, point: Point, clean: Effect, watcher: Watcher, before: Picture
) -> None:
    """Kill it at a point and send it again: what stands afterwards is the effect of one."""
    assert killed(prepared.send, point), f"{point} was not met"
    left = watcher.picture()
    done = point == Point(COMMIT, 1, behind=True)
    if done:
        assert watcher.effect(before, left, names=prepared.names) == clean, f"something was lost {point}"
    else:
        assert difference(before, left) == [], f"half of it stands {point}"
    answer = prepared.send()
    after = watcher.picture()
    if done:
        assert answer.status_code in request.again, (str(point), answer.content)
        assert difference(left, after) == [], f"a second effect {point}"
    else:
        assert request.succeeded(answer), (str(point), answer.content)
        assert watcher.effect(before, after, names=prepared.names) == clean, f"another effect {point}"


def _at_each(request: Request, stage: Stage, watcher: Watcher, *, times: int, every: int = 1) -> Counter[str]:
    clean, points = _clean(request, stage, watcher)
    assert {point.name for point in points} >= ROWS[request.name]
    assert Point(COMMIT, 1, behind=True) in points
    met: Counter[str] = Counter()
    for point in points[::every]:
        for _ in range(times):
            prepared = request.prepare(stage)
            _kill_and_retry(request, prepared, point, clean, watcher, watcher.picture())
            met[str(point)] += 1
    return met


def _print(name: str, met: Counter[str]) -> None:
    print(f"{connection.vendor}, {name}: {met.total()} kills at {len(met)} points, one effect each")
    for point, count in met.items():
        print(f"  {point}: {count}")


@pytest.mark.slow
@pytest.mark.parametrize("request_kind", EACH, ids=lambda request: request.name)
def test_killed_at_some_named_points_and_sent_again_it_has_one_effect(
    request_kind: Request, stage: Stage, watcher: Watcher
) -> None:
    assert _at_each(request_kind, stage, watcher, times=1, every=3).total()


@pytest.mark.long(minutes=2)
@pytest.mark.parametrize("request_kind", EACH, ids=lambda request: request.name)
def test_killed_at_each_named_point_and_sent_again_it_has_one_effect(
    request_kind: Request, stage: Stage, watcher: Watcher
) -> None:
    met = _at_each(request_kind, stage, watcher, times=TIMES)
    _print(request_kind.name, met)
    assert min(met.values()) >= TIMES


@pytest.mark.slow
def test_a_naive_twin_is_caught(stage: Stage, watcher: Watcher) -> None:
    clean, points = _clean(TWO_WRITES, stage, watcher)
    second = Point("INSERT audit_entry", 1)
    assert second in points
    prepared = TWO_WRITES.prepare(stage)
    with pytest.raises(AssertionError, match="half of it stands before INSERT audit_entry"):
        _kill_and_retry(TWO_WRITES, prepared, second, clean, watcher, watcher.picture())


def _task(name: str) -> Callable[[], object]:
    return lambda: app.tasks[name].apply(throw=True)


def _untold() -> Counter[tuple[str, UUID]]:
    """Return by which means the events that no reader has read are to be told, once each."""
    read = Seal.objects.filter(seq__lte=min(Cursor.objects.filter(name__in=PUMPED).values_list("seq", flat=True)))
    unread = Entry.objects.filter(kind__in=TOLD).exclude(pk__in=read.values("entry_id"))
    return Counter((str(TOLD[kind]), event) for event, kind in unread.values_list("pk", "kind"))


def _told(untold: Counter[tuple[str, UUID]]) -> Counter[tuple[str, UUID]]:
    """Return how often and by which means these events are told; every reader stands at the end of the trail."""
    ends = set(Cursor.objects.filter(name__in=PUMPED).values_list("seq", flat=True))
    assert ends == {Seal.objects.latest("seq").seq}, "a reader does not come forward"
    rows = Delivery.objects.filter(event_id__in=[event for _, event in untold])
    return Counter(rows.values_list("means", "event_id"))


def _deliveries_killed(
    name: str, stage: Stage, watcher: Watcher, *, times: int, beside: int, every: int = 1
) -> Counter[str]:
    case = next(case for case in DELIVERIES if case.name == name)
    do = _task(name)
    effects, points = [], []
    for _ in range(3):
        words = [case.prepare(stage)]
        before = watcher.picture()
        points = points_of(do, updates=True)
        effects.append(watcher.effect(before, watcher.picture(), names=words))
    assert effects[1] == effects[2]
    assert {point.name for point in points} >= ROWS[name]
    met: Counter[str] = Counter()
    for point in points[::every]:
        for _ in range(times if point.name.startswith("INSERT") else beside):
            words = [case.prepare(stage)]
            # One effect looks like another: that each event is told, and none twice, is read from the rows.
            untold = _untold() if name == "delivery.follow" else None
            before = watcher.picture()
            assert killed(do, point, updates=True), f"{point} was not met"
            case.afterwards()
            do()
            if untold is not None:
                assert {means for means, _ in untold} == set(TOLD.values())
                assert _told(untold) == untold, str(point)
            assert watcher.effect(before, watcher.picture(), names=words) == effects[2], str(point)
            met[str(point)] += 1
    return met


@pytest.mark.slow
@pytest.mark.parametrize("name", [case.name for case in DELIVERIES])
def test_deliveries_killed_at_some_named_points_are_made_once(name: str, stage: Stage, watcher: Watcher) -> None:
    assert _deliveries_killed(name, stage, watcher, times=1, beside=1, every=3).total()


@pytest.mark.slow
def test_a_naive_reader_that_skips_events_is_caught(stage: Stage) -> None:
    case = next(case for case in DELIVERIES if case.name == "delivery.follow")
    case.prepare(stage)
    untold = _untold()
    assert killed(cursor_first, Point("INSERT delivery_delivery", 1), updates=True)
    _task(case.name)()
    lost = untold - _told(untold)
    assert {means for means, _ in lost} == {Means.WEBHOOK}


@pytest.mark.long(minutes=5)
@pytest.mark.parametrize("name", [case.name for case in DELIVERIES])
def test_deliveries_killed_at_each_named_point_are_made_once(name: str, stage: Stage, watcher: Watcher) -> None:
    met = _deliveries_killed(name, stage, watcher, times=TIMES, beside=TIMES_BESIDE)
    _print(name, met)
    assert min(met.values()) >= TIMES_BESIDE
    assert all(count >= TIMES for point, count in met.items() if " INSERT " in point)
