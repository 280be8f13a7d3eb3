"""Queues are changed by those who answer for every team that reviews them."""

from __future__ import annotations

from functools import partial
from threading import Barrier
from typing import Any

import pytest

from approvals.models import Queue
from approvals.operations import Escalate, delete_queue, save_queue
from approvals.operations.queues import queue_document
from audit.models import Entry
from audit.refusals import Conflict, Forbidden, Invalid, Missing
from registry.amounts import parse_money
from tests.together import WAIT, at_once, raised
from tests.world import NOW, World, make_world


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def _save(by: Any, **fields: Any) -> bool:
    known = {
        "slug": "outreach", "reviewers": ["talent"], "quorum": 1, "ttl_seconds": 3600, "edits": True,
        "editor_may_approve": False, "owner_may_approve": True,
    }  # fmt: skip
    return save_queue(**{**known, **fields}, by=by, now=NOW)


def test_a_queue_is_created_changed_and_left_alone(world: World) -> None:
    assert _save(world.operator)
    assert not _save(world.operator)
    assert _save(world.operator, quorum=2)
    assert list(Entry.objects.filter(object_type="queue").order_by("id").values_list("kind", flat=True)) == [
        "queue.created", "queue.changed",
    ]  # fmt: skip


def test_an_operator_of_another_team_cannot_take_a_queue_over(world: World) -> None:
    _save(world.operator)
    for changes in ({"reviewers": ["billing"]}, {"reviewers": ["talent", "billing"]}, {"editor_may_approve": True}):
        with pytest.raises(Forbidden):
            _save(world.stranger, **changes)
    with pytest.raises(Forbidden):
        _save(world.operator, reviewers=["talent", "billing"])
    assert _save(world.admin, reviewers=["talent", "billing"])
    for person in (world.owner, world.reviewer, world.auditor):
        with pytest.raises(Forbidden):
            _save(person, quorum=2)
    assert Queue.objects.get().quorum == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [({"reviewers": []}, "/reviewers"), ({"reviewers": ["nobody"]}, "/reviewers/0"), ({"quorum": 0}, "/quorum"),
     ({"ttl_seconds": 1}, "/ttl"), ({"slug": "No Slug"}, "/slug")],
)  # fmt: skip
def test_bad_fields_are_named(world: World, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        _save(world.admin, **fields)
    assert pointer in {problem.pointer for problem in caught.value.errors}


@pytest.mark.slow
def test_typed_amounts_and_bulk_are_kept_where_a_caller_does_not_name_them(world: World) -> None:
    over = parse_money({"value": "500.00", "currency": "USD"})
    assert _save(world.admin, confirm_amount_over=over, bulk_limit=5)
    assert not _save(world.admin)
    document = queue_document(Queue.objects.get())
    assert document["confirm_amount_over"] == {"value": "500.00", "currency": "USD"}
    assert document["bulk_limit"] == 5
    assert _save(world.admin, confirm_amount_over=None, bulk_limit=0)
    assert not {"confirm_amount_over", "bulk_limit"} & set(queue_document(Queue.objects.get()))
    with pytest.raises(Invalid) as caught:
        _save(world.admin, bulk_limit=101)
    assert [problem.pointer for problem in caught.value.errors] == ["/bulk_limit"]


@pytest.mark.slow
def test_an_operator_lends_votes_only_to_people_of_their_own_teams(world: World) -> None:
    _save(world.operator)
    _save(world.admin, slug="billing", reviewers=["billing"])
    _save(world.admin, slug="person", reviewers=[f"user:{world.stranger.username}"])
    for changes in (
        {"escalate": Escalate(120, "billing")}, {"escalate": Escalate(120, "person")},
        {"reviewers": ["talent", f"user:{world.stranger.username}"]},
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            _save(world.operator, **changes)
    assert _save(world.operator, reviewers=["talent", f"user:{world.reviewer.username}"])
    assert _save(world.admin, escalate=Escalate(120, "billing"))
    # What an administrator set stays while an operator changes the rest.
    assert _save(world.operator, quorum=2)
    queue = Queue.objects.get(slug="outreach")
    assert (queue.escalate_to, queue.quorum) == (Queue.objects.get(slug="billing"), 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [({"slug": "auto"}, "/slug"), ({"capacity": 10_001}, "/capacity"), ({"reviewers": ["user:nobody"]}, "/reviewers/0"),
     ({"escalate": Escalate(59, "other")}, "/escalate/after"),
     ({"escalate": Escalate(3600, "other")}, "/escalate/after"),
     ({"escalate": Escalate(120, "outreach")}, "/escalate/to"), ({"matches": {"risk": ["huge"]}}, "/matches/risk/0")],
)  # fmt: skip
def test_bad_terms_are_named(world: World, fields: dict[str, Any], pointer: str) -> None:
    _save(world.admin, slug="other")
    with pytest.raises(Invalid) as caught:
        _save(world.admin, **fields)
    assert pointer in {problem.pointer for problem in caught.value.errors}


@pytest.mark.slow
def test_a_queue_to_which_another_escalates_stays(world: World) -> None:
    _save(world.admin, slug="other")
    _save(world.admin, escalate=Escalate(120, "other"))
    with pytest.raises(Conflict, match="escalate to other"):
        delete_queue(queue=Queue.objects.get(slug="other"), by=world.admin, now=NOW)


@pytest.mark.slow
def test_an_operators_queue_takes_what_their_own_teams_ask(world: World) -> None:
    for matches in ({"verb": "email.**"}, {"team": ["talent", "billing"]}, {"risk": "high", "team": "billing"}):
        with pytest.raises(Forbidden):
            _save(world.operator, matches=matches)
    assert _save(world.operator, matches={"risk": "high", "team": "talent"})
    assert _save(world.admin, matches={"risk": "high"})
    assert _save(world.operator, quorum=2)
    assert _save(world.operator, matches={})
    assert Queue.objects.get().matches == {}


def _queue_entries() -> list[str]:
    return list(Entry.objects.filter(object_type="queue").order_by("id").values_list("kind", flat=True))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_who_create_or_delete_a_queue_at_once_one_is_told() -> None:
    world = make_world()
    for past in range(6):
        made = at_once(*(partial(_save, world.admin, quorum=quorum, fresh=True) for quorum in (1, 2)))
        assert (raised(made), made.count(True)) == ([Conflict], 1), made
        queue = Queue.objects.get()
        assert queue.quorum == made.index(True) + 1
        gone = at_once(*(partial(delete_queue, queue=queue, by=world.admin, now=NOW) for _ in range(2)))
        assert (raised(gone), gone.count(None)) == ([Missing], 1), gone
        assert _queue_entries() == ["queue.created", "queue.deleted"] * (past + 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_naive_twin_looks_first_and_takes_back_what_a_colleague_created() -> None:
    world, looked = make_world(), Barrier(2)

    def naively(quorum: int) -> bool:
        if Queue.objects.filter(slug="outreach").exists():
            raise Conflict
        looked.wait(WAIT)
        return _save(world.admin, quorum=quorum)

    made = at_once(*(partial(naively, quorum) for quorum in (1, 2)))
    assert made == [True, True]
    assert _queue_entries() == ["queue.created", "queue.changed"]
