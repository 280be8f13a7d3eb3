"""Promises that hold when several do the same at once, on either engine; and twins that break them."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier

import pytest
from django.db import transaction

from audit.models import Entry
from audit.refusals import Conflict, Stale
from registry import keys, operations
from registry.authentication import authenticate
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, User
from tests.together import at_once, raised
from tests.world import NOW, World, make_admin, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def count(kind: str) -> int:
    return Entry.objects.filter(kind=kind).count()


@pytest.mark.postgres_smoke
def test_promotions_at_once_leave_one_live(world: World) -> None:
    numbers = [
        operations.create_version(agent=world.agent, definition={"n": n}, by=world.operator, now=NOW).number
        for n in range(4)
    ]

    def promote(number: int) -> Release:
        version = AgentVersion.objects.select_related("agent__team").get(number=number)
        return operations.promote(version=version, environment="production", by=world.operator, now=NOW)

    outcomes = at_once(*(lambda n=n: promote(n) for n in numbers))
    assert set(raised(outcomes)) <= {Stale}
    assert Release.objects.filter(environment="production", state="live").count() == 1
    won = [outcome for outcome in outcomes if isinstance(outcome, Release)]
    assert won
    assert count("release.promoted") == 2 + len(won)
    # What lost left nothing behind: each version is where its releases say.
    live = {release.version.number for release in Release.objects.filter(state="live").select_related("version")}
    states = dict(AgentVersion.objects.values_list("number", "state"))
    assert {number for number, state in states.items() if state in {"production", "staging"}} == live


@pytest.mark.slow
def test_first_releases_at_once_leave_one_live(world: World) -> None:
    Release.objects.filter(environment="staging").update(state="ended", ended_at=NOW)
    for n in range(3):
        operations.create_version(agent=world.agent, definition={"n": n}, by=world.operator, now=NOW)

    def promote(number: int) -> Release:
        version = AgentVersion.objects.select_related("agent__team").get(number=number)
        return operations.promote(version=version, environment="staging", by=world.operator, now=NOW)

    outcomes = at_once(*(lambda n=n: promote(n) for n in (2, 3, 4)))
    assert set(raised(outcomes)) <= {Stale}
    assert Release.objects.filter(environment="staging", state="live").count() == 1


@pytest.mark.postgres_smoke
def test_keys_issued_at_once_are_at_most_two(world: World) -> None:
    def issue() -> str:
        agent = Agent.objects.select_related("team").get()
        return operations.issue_key(agent=agent, environment="staging", scopes=["act"], by=world.operator, now=NOW)[1]

    outcomes = at_once(*[issue] * 5)
    assert raised(outcomes) == [Conflict] * 3
    assert AgentKey.objects.live(NOW).filter(environment="staging").count() == 2


@pytest.mark.slow
def test_a_naive_twin_issues_too_many(world: World) -> None:
    def issue() -> None:
        few = AgentKey.objects.live(NOW).filter(environment="staging").count() < 2
        meeting.wait(30)  # between the question and the write, where nothing holds others off
        if few:
            token, _ = keys.mint()
            AgentKey.objects.create(
                public_id=token.public_id, agent=world.agent, environment="staging", scopes=["act"], mac="",
                pepper_id="", issued_at=NOW, issued_by=world.operator, expires_at=NOW + timedelta(days=1),
            )  # fmt: skip

    meeting = Barrier(3)
    at_once(*[issue] * 3)
    assert AgentKey.objects.live(NOW).filter(environment="staging").count() == 3


@pytest.mark.slow
def test_drafts_at_once_have_numbers_of_their_own(world: World) -> None:
    def create() -> int:
        agent = Agent.objects.select_related("team").get()
        return operations.create_version(agent=agent, definition={}, by=world.operator, now=NOW).number

    assert sorted(at_once(*[create] * 4)) == [2, 3, 4, 5]


@pytest.mark.slow
def test_one_of_several_pauses_counts(world: World) -> None:
    def pause() -> None:
        agent = Agent.objects.select_related("team").get()
        operations.pause_agent(agent=agent, reason="", by=world.operator, now=NOW)

    outcomes = at_once(*[pause] * 4)
    assert len(raised(outcomes)) == 3
    assert all(issubclass(error, Conflict) for error in raised(outcomes))
    assert count("agent.paused") == 1


@pytest.mark.slow
def test_one_of_several_kills_counts(world: World) -> None:
    def kill() -> KillSwitch:
        return operations.kill(scope="team", value="talent", reason="r", by=world.operator, now=NOW)

    assert raised(at_once(*[kill] * 4)) == [Conflict] * 3
    assert KillSwitch.objects.in_force().count() == 1


@pytest.mark.slow
def test_a_command_is_handed_to_one_of_several_polls(world: World) -> None:
    operations.send_command(agent=world.agent, kind="stop", by=world.operator, now=NOW)
    principal = world.principal
    outcomes = at_once(*[lambda: operations.fetch_commands(principal=principal, now=NOW)] * 4)
    assert raised(outcomes) == []
    assert sum(len(handed) for handed in outcomes) == 1
    assert count("command.delivered") == 1


@pytest.mark.slow
def test_an_acknowledgement_and_its_expiry_do_not_both_count(world: World) -> None:
    command = operations.send_command(agent=world.agent, kind="stop", by=world.operator, now=NOW)
    principal, end = world.principal, command.expires_at
    before = end - timedelta(seconds=1)
    outcomes = at_once(
        lambda: operations.acknowledge(principal=principal, command_id=command.pk, status="succeeded", now=before),
        lambda: operations.expire_commands(now=end),
    )
    assert all(issubclass(error, Conflict) or error.__name__ == "Gone" for error in raised(outcomes))
    assert count("command.succeeded") + count("command.expired") == 1
    assert Command.objects.get().state in {"succeeded", "expired"}


@pytest.mark.slow
def test_two_administrators_cannot_remove_each_other(world: World) -> None:
    second = make_admin("second")
    outcomes = at_once(
        lambda: operations.deactivate(user=User.objects.get(pk=second.pk), by=world.admin, now=NOW),
        lambda: operations.deactivate(user=User.objects.get(pk=world.admin.pk), by=second, now=NOW),
    )
    assert len(raised(outcomes)) == 1
    assert User.objects.filter(role="admin", is_active=True).count() == 1


@pytest.mark.slow
def test_one_agent_comes_of_several_registrations(world: World) -> None:
    def save(name: str) -> bool:
        return operations.save_agent(
            slug="new", name=name, owner=world.owner, team=world.team, by=world.operator, now=NOW
        )[1]

    outcomes = at_once(*[lambda: save("Same")] * 3)
    assert sorted(outcomes) == [False, False, True]
    assert count("agent.registered") == 2


@pytest.mark.slow
def test_quiet_agents_are_noted_once_by_several_checks(world: World) -> None:
    later = NOW + timedelta(days=8)
    outcomes = at_once(*[lambda: operations.note_quiet_agents(now=later)] * 4)
    assert sorted(outcomes) == [0, 0, 0, 1]


@pytest.mark.slow
def test_the_first_administrator_is_one(transactional_db: None) -> None:
    outcomes = at_once(*[lambda: operations.create_first_administrator(now=NOW)] * 3)
    assert raised(outcomes) == []
    assert sum(outcome is not None for outcome in outcomes) == 1


@pytest.mark.slow
def test_a_revocation_is_seen_by_the_next_call(world: World) -> None:
    assert authenticate(world.text, now=NOW) is not None
    at_once(lambda: operations.revoke_key(key=AgentKey.objects.get(), by=world.operator, now=NOW))
    assert authenticate(world.text, now=NOW) is None


@pytest.mark.postgres_smoke
def test_noting_use_never_stands_in_the_way(world: World) -> None:
    """A call comes while another transaction holds agent and key: it is answered, and noted later."""
    if not transaction.get_connection().features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has no row locks: a writer waits for the database, up to its busy timeout")
    with transaction.atomic():
        list(Agent.objects.select_for_update().all())
        list(AgentKey.objects.select_for_update().all())
        (found,) = at_once(lambda: authenticate(world.text, now=NOW))
    assert found.agent == "job-applier"
    assert AgentKey.objects.get().last_used_at is None
