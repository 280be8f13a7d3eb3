"""Keys: their form, issuing them, and who stands behind one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from audit.refusals import Conflict, IllegalTransition, Invalid
from registry import keys, operations
from registry.authentication import authenticate
from registry.models import Agent, AgentKey
from tests.registry.trail import details, last
from tests.world import NOW, World, make_key

# One for all cases: a case that is drawn again is the same.
_, MINTED = keys.mint()


def test_a_minted_key_is_read_again() -> None:
    token, text = keys.mint()
    assert keys.parse(text) == token
    assert token.secret not in keys.mac(token, pepper=b"p")
    assert keys.matches(token, stored=keys.mac(token, pepper=b"p"), pepper_id="1", peppers={"1": b"p"})
    assert not keys.matches(token, stored=keys.mac(token, pepper=b"p"), pepper_id="2", peppers={"1": b"p"})
    assert not keys.matches(token, stored=keys.mac(token, pepper=b"q"), pepper_id="1", peppers={"1": b"p"})


@given(st.data())
def test_any_other_character_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(MINTED) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != MINTED[place]))
    assert keys.parse(MINTED[:place] + other + MINTED[place + 1 :]) is None


@given(st.text(max_size=120))
def test_any_text_is_read_without_error(text: str) -> None:
    assert keys.parse(text) is None
    assert keys.parse(f"acp_live_{text}") is None


def test_issuing_shows_the_key_once(world: World) -> None:
    secret = keys.parse(world.text)
    assert secret is not None
    assert all(secret.secret not in str(value) for value in AgentKey.objects.values_list().get())
    assert secret.secret not in last("key.issued").details
    assert details("key.issued")["expires_at"] == (NOW + timedelta(days=90)).isoformat()
    assert (last("key.issued").agent, last("key.issued").team) == ("job-applier", "talent")


def test_two_keys_are_live_in_one_environment(world: World) -> None:
    make_key(world.agent, by=world.operator)
    with pytest.raises(Conflict):
        make_key(world.agent, by=world.operator)
    make_key(world.agent, by=world.operator, environment="staging")
    operations.revoke_key(key=world.key, by=world.owner, now=NOW)
    make_key(world.agent, by=world.operator)


def test_expired_keys_do_not_count(world: World) -> None:
    make_key(world.agent, by=world.operator)
    make_key(world.agent, by=world.operator, now=NOW + timedelta(days=91))


@pytest.mark.parametrize(("changes", "pointer"), [
    ({"environment": "moon"}, "/environment"),
    ({"scopes": []}, "/scopes"),
    ({"scopes": ["act", "fly"]}, "/scopes"),
    ({"days": 0}, "/days"),
    ({"days": 366}, "/days"),
])  # fmt: skip
def test_issue_key_refuses(world: World, changes: dict[str, Any], pointer: str) -> None:
    given: dict[str, Any] = {"environment": "production", "scopes": ["act"], **changes}
    with pytest.raises(Invalid) as caught:
        operations.issue_key(agent=world.agent, by=world.operator, now=NOW, **given)
    assert [problem.pointer for problem in caught.value.errors] == [pointer]


def test_a_key_is_revoked_once(world: World) -> None:
    operations.revoke_key(key=world.key, by=world.owner, now=NOW, reason="leaked")
    assert details("key.revoked")["reason"] == "leaked"
    with pytest.raises(IllegalTransition):
        operations.revoke_key(key=world.key, by=world.owner, now=NOW)


def test_authenticate_finds_the_agent(world: World) -> None:
    found = authenticate(world.text, now=NOW)
    assert found is not None
    assert (found.key_id, found.public_id) == (world.key.pk, world.key.public_id)
    assert (found.agent_id, found.agent, found.team_id, found.team) == (
        world.agent.pk, "job-applier", world.team.pk, "talent",
    )  # fmt: skip
    assert (found.environment, found.issued_by_id) == ("production", world.operator.pk)
    assert found.scopes == {"act", "ingest", "llm", "memory", "handoff", "read:self"}
    assert (found.actor.type, found.actor.id, found.actor.token) == ("agent", "job-applier", world.key.public_id)


def test_authenticate_refuses_alike(world: World) -> None:
    _, unknown = keys.mint()
    forged = world.text.replace(world.key.public_id, "a" * 16)
    for text in ("", "acp_live_", "x" * 1000, unknown, forged, f" {world.text}", world.text + "\n"):
        assert authenticate(text, now=NOW) is None
    assert authenticate(world.text, now=world.key.expires_at) is None
    assert authenticate(world.text, now=world.key.expires_at - timedelta(seconds=1)) is not None


def test_authenticate_asks_nothing_for_a_malformed_key_and_once_for_others(world: World) -> None:
    authenticate(world.text, now=NOW)
    with CaptureQueriesContext(connection) as queries:
        authenticate("acp_live_nonsense", now=NOW)
        assert len(queries) == 0
        authenticate(world.text, now=NOW)
        assert len(queries) == 1


def test_a_revoked_key_and_a_retired_agent_are_refused_and_a_paused_one_is_not(world: World) -> None:
    operations.pause_agent(agent=world.agent, reason="", by=world.owner, now=NOW)
    assert authenticate(world.text, now=NOW) is not None
    _, second = make_key(world.agent, by=world.owner)
    operations.revoke_key(key=world.key, by=world.owner, now=NOW)
    assert authenticate(world.text, now=NOW) is None
    assert authenticate(second, now=NOW) is not None
    operations.retire_agent(agent=world.agent, reason="", by=world.operator, now=NOW)
    assert authenticate(second, now=NOW) is None


def test_peppers_rotate(world: World, settings: Any) -> None:
    old = dict(settings.KEY_PEPPERS)
    settings.KEY_PEPPERS = {"fresh": b"f" * 32, **old}
    key, second = make_key(world.agent, by=world.owner)
    assert key.pepper_id == "fresh"
    assert authenticate(world.text, now=NOW) is not None
    settings.KEY_PEPPERS = {"fresh": b"f" * 32}
    assert authenticate(world.text, now=NOW) is None
    assert authenticate(second, now=NOW) is not None


def test_use_is_noted_to_the_minute(world: World) -> None:
    for seconds, expected in ((0, 0), (30, 0), (60, 0), (61, 61), (100, 61)):
        authenticate(world.text, now=NOW + timedelta(seconds=seconds))
        noted = NOW + timedelta(seconds=expected)
        assert AgentKey.objects.get().last_used_at == noted
        assert Agent.objects.get().last_seen_at == noted
