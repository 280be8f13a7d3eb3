"""The commands: ``createuser`` and ``issue_key``."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth import authenticate as log_in
from django.core.management import CommandError, call_command

from audit.models import Entry
from registry.authentication import authenticate
from registry.models import Team, User
from registry.states import AgentState
from tests.world import PASSWORD, World


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().splitlines()


def test_createuser_reads_the_password(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nmore\n"))
    lines = run("createuser", "new", "--role", "operator", "--password-stdin", "--team", "talent", "--team", "billing")
    user = log_in(username="new", password=PASSWORD)
    assert isinstance(user, User)
    assert (user.role, user.must_change_password) == ("operator", False)
    assert Team.objects.operated_by(user).count() == 2
    assert PASSWORD not in "".join(lines)
    entry = Entry.objects.filter(kind="person.created").latest("id")
    assert (entry.actor_type, entry.actor_id, entry.object_id) == ("system", "createuser", "new")


def test_createuser_prints_a_one_time_password(world: World) -> None:
    password = run("createuser", "new", "--role", "owner")[-1]
    user = log_in(username="new", password=password)
    assert isinstance(user, User)
    assert user.must_change_password


@pytest.mark.parametrize(("arguments", "told"), [
    (("auditor", "--role", "owner"), "There is a person named auditor already"),
    (("a b", "--role", "owner"), "valid username"),
    (("new", "--role", "king"), "invalid choice"),
    (("new", "--role", "owner", "--team", "void"), "there is no team void"),
    (("new", "--role", "owner", "--password-stdin"), "too short"),
])  # fmt: skip
def test_createuser_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match=told) as caught:
        run("createuser", *arguments)
    assert caught.value.returncode == 1
    assert not User.objects.filter(username="new").exists()


def issue(*more: str, agent: str = "job-applier", by: str = "talent-operator") -> list[str]:
    return run("issue_key", agent, "--environment", "staging", "--scopes", "act, ingest", "--by", by, *more)


def test_issue_key_prints_the_key_alone_on_the_last_line(world: World) -> None:
    lines = issue("--days", "300")
    found = authenticate(lines[-1], now=Entry.objects.latest("id").at)
    assert found is not None
    assert (found.agent, found.environment, found.scopes) == ("job-applier", "staging", {"act", "ingest"})


@pytest.mark.parametrize(("changes", "told"), [
    ({"by": "nobody"}, "no active person named nobody"),
    ({"by": "talent-reviewer"}, "sees no agent"),
    ({"by": "auditor"}, "Only operators"),
    ({"agent": "void"}, "sees no agent void"),
])  # fmt: skip
def test_issue_key_refuses(world: World, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        issue(**changes)


def test_issue_key_says_what_is_wrong_with_its_arguments(world: World) -> None:
    for more, told in ((("--days", "0"), "1 to 365"), (("--scopes", "fly"), "one or more of act")):
        with pytest.raises(CommandError, match=told):
            issue(*more)


def test_issue_key_refuses_a_retired_agent(world: World) -> None:
    world.agent.state = AgentState.RETIRED
    world.agent.save()
    with pytest.raises(CommandError, match="retired"):
        issue()
