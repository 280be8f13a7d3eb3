"""Undo: for ten seconds, by whoever did it, while nobody did anything else; and twins that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from threading import Barrier

import pytest

from audit.models import Entry
from audit.refusals import Conflict, Forbidden, Gone, IllegalTransition, Missing
from registry.models import Agent
from registry.operations import pause_agent, resume_agent, save_agent, undo_pause
from runs.models import Failure
from runs.operations import (
    Handled,
    assign_failure,
    mute_failure,
    resolve_failure,
    undo_failure,
)
from tests.runs.reports import report
from tests.runs.test_failures import failing
from tests.together import at_once
from tests.world import NOW, World, make_world

pytestmark = pytest.mark.slow

# What the reports below wrote stands at NOW.
AT = NOW + timedelta(minutes=1)
LATER = AT + timedelta(seconds=9, milliseconds=999)


def make_failure() -> tuple[World, Failure]:
    world = make_world()
    report(world.agent, failing("s1"))
    return world, Failure.objects.select_related("agent__team").get()


def read() -> Failure:
    return Failure.objects.select_related("agent__team").get()


def resolve(world: World, failure: Failure) -> Handled:
    return resolve_failure(failure=failure, by=world.operator, now=AT)


def mute(world: World, failure: Failure) -> Handled:
    return mute_failure(failure=failure, until=NOW + timedelta(days=7), by=world.operator, now=AT)


def assign(world: World, failure: Failure) -> Handled:
    return assign_failure(failure=failure, to=world.owner, by=world.operator, now=AT)


HANDLINGS = (resolve, mute, assign)
Handling = Callable[[World, Failure], Handled]


@pytest.mark.django_db
@pytest.mark.parametrize("handle", HANDLINGS)
@pytest.mark.parametrize("state", ["new", "regressed"])
def test_what_was_done_about_a_failure_is_undone_whole(handle: Handling, state: str) -> None:
    world, failure = make_failure()
    if state == "regressed":
        resolve_failure(failure=failure, by=world.operator, now=NOW - timedelta(days=1))
        report(world.agent, failing("s2"))
    failure = read()
    assert failure.state == state
    done = handle(world, failure)
    assert done.before != done.after
    # Occurrences in between do not matter where they change nothing but the count.
    if handle is not resolve:
        report(world.agent, failing("s3"))
    undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)
    after = read()
    assert asdict(done.before) == {name: getattr(after, name) for name in asdict(done.before)}
    entry = Entry.objects.get(kind="failure.undone")
    assert (entry.actor_id, entry.object_id, entry.outcome) == (world.operator.username, str(failure.pk), state)


@pytest.mark.django_db
@pytest.mark.parametrize("handle", HANDLINGS)
def test_ten_seconds_are_counted_by_the_server(handle: Handling) -> None:
    world, failure = make_failure()
    done = handle(world, failure)
    at_the_end = AT + timedelta(seconds=10)
    with pytest.raises(Gone, match="10 seconds"):
        undo_failure(
            failure=read(), done=done, done_at=AT, by=world.operator, now=at_the_end + timedelta(microseconds=1)
        )
    assert not Entry.objects.filter(kind="failure.undone").exists()
    undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=at_the_end)


@pytest.mark.django_db
def test_what_somebody_else_did_since_stays() -> None:
    world, failure = make_failure()
    done = mute(world, failure)
    assign_failure(failure=read(), to=world.owner, by=world.owner, now=AT + timedelta(seconds=1))
    with pytest.raises(Conflict, match=rf"{world.owner.username} changed it .*failure\.assigned"):
        undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)
    assert (read().assigned_to, read().muted_until) == (world.owner, NOW + timedelta(days=7))


@pytest.mark.django_db
def test_a_failure_that_came_back_stays_back() -> None:
    world, failure = make_failure()
    done = resolve(world, failure)
    soon = AT + timedelta(seconds=3)
    report(world.agent, failing("s2", started_at=soon.isoformat()), now=soon)
    assert read().state == "regressed"
    with pytest.raises(Conflict):
        undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)
    assert read().state == "regressed"


@pytest.mark.django_db
def test_an_undo_is_not_done_twice() -> None:
    world, failure = make_failure()
    done = assign(world, failure)
    undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)
    with pytest.raises(Conflict):
        undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)


@pytest.mark.django_db
def test_the_right_is_looked_at_again() -> None:
    world, failure = make_failure()
    done = mute(world, failure)
    for person, refusal in ((world.auditor, Forbidden), (world.stranger, Missing)):
        with pytest.raises(refusal):
            undo_failure(failure=read(), done=done, done_at=AT, by=person, now=LATER)
    world.team.members.remove(world.operator)
    world.operator.teamuserright_set.all().delete()
    with pytest.raises(Missing):
        undo_failure(failure=read(), done=done, done_at=AT, by=world.operator, now=LATER)
    assert read().muted_until == NOW + timedelta(days=7)


@pytest.mark.django_db
def test_a_pause_is_undone_by_who_may_resume() -> None:
    world = make_world()
    pause_agent(agent=world.agent, reason="Odd", by=world.owner, now=AT)
    with pytest.raises(Forbidden):
        undo_pause(agent=world.agent, done_at=AT, by=world.owner, now=LATER)
    resume_agent(agent=world.agent, by=world.operator, now=AT)
    pause_agent(agent=world.agent, reason="Odd", by=world.operator, now=AT + timedelta(seconds=1))
    with pytest.raises(Gone):
        undo_pause(agent=world.agent, done_at=AT - timedelta(minutes=1), by=world.operator, now=AT)
    undo_pause(agent=world.agent, done_at=AT + timedelta(seconds=1), by=world.operator, now=LATER)
    assert Agent.objects.get(pk=world.agent.pk).state == "active"
    assert Entry.objects.filter(kind="agent.resumed").latest("id").at == LATER
    with pytest.raises((Conflict, IllegalTransition)):
        undo_pause(agent=world.agent, done_at=AT + timedelta(seconds=1), by=world.operator, now=LATER)


@pytest.mark.django_db
def test_a_pause_that_somebody_else_relies_on_stays() -> None:
    world = make_world()
    pause_agent(agent=world.agent, reason="Odd", by=world.operator, now=AT)
    resume_agent(agent=world.agent, by=world.admin, now=AT + timedelta(seconds=1))
    pause_agent(agent=world.agent, reason="Truly odd", by=world.admin, now=AT + timedelta(seconds=2))
    with pytest.raises(Conflict, match="admin changed it"):
        undo_pause(agent=world.agent, done_at=AT, by=world.operator, now=LATER)
    agent = Agent.objects.select_related("team", "owner").get(pk=world.agent.pk)
    assert (agent.state, agent.state_reason) == ("paused", "Truly odd")
    save_agent(
        slug=agent.slug, name="Another name", owner=agent.owner, team=agent.team, by=world.operator, now=LATER,
    )  # fmt: skip
    with pytest.raises(Conflict):
        undo_pause(agent=agent, done_at=AT + timedelta(seconds=2), by=world.admin, now=LATER)


def naive_undo(failure: Failure, done: Handled, between: Callable[[], object]) -> None:
    """The twin: it looks, and then writes without a guard."""
    assert not Entry.objects.about("failure", str(failure.pk)).filter(kind="failure.assigned").exists()
    between()
    Failure.objects.filter(pk=failure.pk).update(**asdict(done.before))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_undo_never_loses_what_is_done_at_the_same_moment() -> None:
    world, failure = make_failure()
    for number in range(8):
        now = NOW + timedelta(minutes=number)
        assign_failure(failure=read(), to=None, by=world.owner, now=now - timedelta(seconds=30))
        done = mute_failure(failure=read(), until=now + timedelta(days=7), by=world.operator, now=now)
        soon = now + timedelta(seconds=1)
        at_once(
            lambda now=now, done=done, soon=soon: undo_failure(
                failure=read(), done=done, done_at=now, by=world.operator, now=soon
            ),
            lambda soon=soon: assign_failure(failure=read(), to=world.owner, by=world.owner, now=soon),
        )
        assert read().assigned_to == world.owner
    assert failure.pk == read().pk


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_naive_twin_loses_it() -> None:
    world, failure = make_failure()
    done = mute(world, failure)
    looked, assigned = Barrier(2), Barrier(2)

    def wait() -> None:
        looked.wait(30)
        assigned.wait(30)

    def somebody_else() -> None:
        looked.wait(30)
        assign_failure(failure=read(), to=world.owner, by=world.owner, now=AT)
        assigned.wait(30)

    outcomes = at_once(lambda: naive_undo(read(), done, wait), somebody_else)
    assert outcomes == [None, None]
    assert read().assigned_to is None
