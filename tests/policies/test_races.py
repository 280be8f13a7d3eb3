"""Several who write at once, in threads with connections of their own; on both engines."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest

from audit import sql
from audit.models import Entry
from audit.refusals import Conflict
from policies.models import Replay, Revision, Trigger
from policies.operations import save_draft, save_trigger, start_replay
from policies.operations.replays import MOST_AT_ONCE, TooManyReplays
from registry.models import User
from tests.together import WAIT, at_once, raised
from tests.world import World, make_world

pytestmark = pytest.mark.slow
CREW = 6
DENIALS = {"count": "denials", "agent": "job-applier", "per": "1h"}


@pytest.fixture
def live_world(transactional_db: None) -> World:
    """The same people and agents, committed: other threads see them."""
    return make_world(now=sql.now())


def start(revision: Revision, by: User) -> Replay:
    now = sql.now()
    return start_replay(revision=revision, since=now - timedelta(days=1), until=now, by=by, now=now)


def test_replays_asked_for_at_once_are_no_more_than_those_one_after_the_other(live_world: World) -> None:
    revision = save_draft(policies={}, by=live_world.admin, now=sql.now())
    outcomes = at_once(*[partial(start, revision, live_world.admin)] * CREW)
    assert raised(outcomes) == [TooManyReplays] * (CREW - MOST_AT_ONCE)
    assert Replay.objects.unfinished().count() == MOST_AT_ONCE


def test_the_naive_twin_that_counts_before_anybody_wrote_is_caught(live_world: World) -> None:
    revision, barrier = save_draft(policies={}, by=live_world.admin, now=sql.now()), Barrier(CREW)

    def start_naively() -> Replay | None:
        few = Replay.objects.unfinished().filter(asked_by=live_world.admin).count() < MOST_AT_ONCE
        barrier.wait(WAIT)
        now = sql.now()
        values = {"revision": revision, "digest": revision.digest, "asked_by": live_world.admin, "created_at": now}
        return Replay.objects.create(since=now - timedelta(days=1), until=now, **values) if few else None

    assert raised(at_once(*[start_naively] * CREW)) == []
    assert Replay.objects.unfinished().count() > MOST_AT_ONCE


def test_of_new_triggers_of_one_name_one_is_kept_and_nobody_overwrites_it(live_world: World) -> None:
    def create(threshold: int) -> Trigger:
        document = {**DENIALS, "mode": "shadow", "more_than": threshold}
        return save_trigger(slug="many", document=document, by=live_world.operator, now=sql.now(), new=True)

    outcomes = at_once(*[partial(create, number) for number in range(CREW)])
    assert raised(outcomes) == [Conflict] * (CREW - 1)
    (kept,) = [each for each in outcomes if isinstance(each, Trigger)]
    assert Trigger.objects.get().more_than == kept.more_than
    told = Counter(Entry.objects.filter(object_type="trigger").values_list("kind", flat=True))
    assert told == {"trigger.created": 1}
