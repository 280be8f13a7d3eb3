"""Versions and releases: drafts, promotion, rollback."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.refusals import Conflict, Invalid, Malformed, Refusal, Stale
from registry import operations
from registry.models import AgentVersion, Release
from registry.operations.versions import Evidence, standing
from tests.registry.trail import details, kinds, last
from tests.world import NOW, World


def draft(world: World, number: int) -> AgentVersion:
    version = operations.create_version(agent=world.agent, definition={"n": number}, by=world.operator, now=NOW)
    assert version.number == number
    return version


def promote(world: World, version: AgentVersion, environment: str = "production", **more: Any) -> Release:
    return operations.promote(version=version, environment=environment, by=world.operator, now=NOW, **more)


def roll_back(world: World, environment: str = "production") -> Release:
    return operations.roll_back(agent=world.agent, environment=environment, by=world.operator, now=NOW)


def live(environment: str = "production") -> int:
    return Release.objects.get(environment=environment, state="live").version.number


def states() -> dict[int, str]:
    return dict(AgentVersion.objects.values_list("number", "state"))


def test_version_states_follow_the_releases(world: World) -> None:
    second = draft(world, 2)
    assert states() == {1: "production", 2: "draft"}
    promote(world, second, "staging")
    assert states() == {1: "production", 2: "staging"}
    promote(world, second)
    assert states() == {1: "archived", 2: "production"}
    promote(world, draft(world, 3), "staging")
    assert states() == {1: "archived", 2: "production", 3: "staging"}
    promote(world, AgentVersion.objects.get(number=1))
    assert states() == {1: "production", 2: "archived", 3: "staging"}


def test_rollbacks_walk_back_one_version_at_a_time(world: World) -> None:
    promote(world, draft(world, 2))
    promote(world, draft(world, 3))
    undone = Release.objects.get(environment="production", state="live")
    assert roll_back(world).rolls_back == undone
    assert live() == 2
    roll_back(world)
    assert live() == 1
    with pytest.raises(Conflict):
        roll_back(world)
    promote(world, AgentVersion.objects.get(number=3))
    roll_back(world)
    assert live() == 1
    assert live("staging") == 1
    assert last("release.rolled_back").outcome == "production"


def test_standing_is_a_line_without_what_was_undone() -> None:
    one, two, back = Release(version_id=1), Release(version_id=2), Release(version_id=1, rolls_back_id=7)
    assert standing([one, two]) == [1, 2]
    assert standing([one, two, back]) == [1]
    assert standing([one, two, back, two]) == [1, 2]


def test_a_promotion_keeps_its_evidence(world: World) -> None:
    evidence = Evidence(runs=40, failures=1, cost_per_task_nanousd=12_000_000, decided=9, overridden=2)
    promote(world, draft(world, 2), evidence=evidence)
    found = details("release.promoted")
    assert found["evidence"]["runs"] == 40
    assert (found["version"], found["replaces"], found["environment"]) == (2, 1, "production")


def test_what_is_live_cannot_be_promoted_again(world: World) -> None:
    with pytest.raises(Conflict):
        promote(world, AgentVersion.objects.select_related("agent__team").get())


def test_promote_refuses_an_unknown_environment(world: World) -> None:
    with pytest.raises(Invalid):
        promote(world, draft(world, 2), "moon")


def test_drafts_are_edited_and_numbered(world: World) -> None:
    second = draft(world, 2)
    before = second.checksum
    assert operations.edit_draft(version=second, definition={"n": 9}, by=world.operator, now=NOW, note="better")
    assert not operations.edit_draft(version=second, definition={"n": 9}, by=world.operator, now=NOW, note="better")
    stored = AgentVersion.objects.get(number=2)
    assert (stored.definition, stored.note, stored.checksum) == ({"n": 9}, "better", second.checksum)
    assert (last("version.edited").before_digest, last("version.edited").after_digest) == (before, stored.checksum)
    draft(world, 3)


def test_what_left_draft_is_immutable(world: World) -> None:
    second = draft(world, 2)
    twin = AgentVersion.objects.select_related("agent__team").get(number=2)
    promote(world, second, "staging")
    with pytest.raises(Conflict):
        operations.edit_draft(version=second, definition={}, by=world.operator, now=NOW)
    with pytest.raises(Stale):
        operations.edit_draft(version=twin, definition={}, by=world.operator, now=NOW)
    assert AgentVersion.objects.get(number=2).definition == {"n": 2}


def test_a_draft_edited_after_it_was_read_is_not_promoted(world: World) -> None:
    second = draft(world, 2)
    twin = AgentVersion.objects.select_related("agent__team").get(number=2)
    operations.edit_draft(version=twin, definition={"n": 9}, by=world.operator, now=NOW)
    before = kinds()
    with pytest.raises(Stale):
        promote(world, second)
    assert live() == 1
    assert kinds() == before


@pytest.mark.parametrize("definition", [[], "text", {"a": "\ud800"}, {"a": "\x00"}, {"a": float("nan")}, {"a": 2**60}])
def test_a_definition_that_cannot_be_kept_is_refused(world: World, definition: Any) -> None:
    with pytest.raises(Refusal) as caught:
        operations.create_version(agent=world.agent, definition=definition, by=world.operator, now=NOW)
    assert isinstance(caught.value, (Invalid, Malformed))


def test_the_database_admits_one_live_release(world: World) -> None:
    version = AgentVersion.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Release.objects.create(
            agent=world.agent, version=version, environment="production", released_at=NOW, released_by=world.admin
        )
