"""The secret that signs an agent's callbacks: who sees it, and what the trail says of it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from audit.models import Entry
from audit.refusals import Forbidden, Missing
from controlplane.delivery.operations import callback_secret, show_callback_secret
from tests.world import NOW, World

_SHOWN = re.compile(r"whsec_[A-Za-z0-9+/]+=*")


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("callback_secret", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("who", "refusal"), [
    ("admin", None), ("operator", None), ("owner", None),
    ("auditor", Forbidden), ("reviewer", Missing), ("stranger", Missing),
])  # fmt: skip
def test_whoever_may_issue_keys_sees_it(world: World, who: str, refusal: type[Exception] | None) -> None:
    user = getattr(world, who)
    shown = Entry.objects.filter(kind="callback_secret.shown")
    if refusal is not None:
        with pytest.raises(refusal):
            show_callback_secret(agent=world.agent, by=user, now=NOW)
        assert not shown.exists()
        return
    assert show_callback_secret(agent=world.agent, by=user, now=NOW) == callback_secret("job-applier")
    entry = shown.get()
    assert (entry.actor_id, entry.object_type, entry.object_id) == (user.username, "agent", "job-applier")
    assert (entry.team, entry.agent, entry.details) == ("talent", "job-applier", "{}")


def test_the_command_prints_it_alone_on_the_last_line(world: World) -> None:
    lines = run("job-applier", "--by", "talent-operator")
    assert lines[-1] == callback_secret("job-applier")
    assert _SHOWN.findall("\n".join(lines)) == [lines[-1]]
    assert Entry.objects.get(kind="callback_secret.shown").actor_id == "talent-operator"


@pytest.mark.parametrize(("arguments", "told"), [
    (("job-applier", "--by", "nobody"), "no active person named nobody"),
    (("job-applier", "--by", "talent-reviewer"), "sees no agent job-applier"),
    (("job-applier", "--by", "auditor"), "Only operators"),
    (("void", "--by", "talent-operator"), "sees no agent void"),
    (("job-applier",), "--by"),
])  # fmt: skip
def test_the_command_refuses(world: World, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(*arguments)
    assert not Entry.objects.filter(kind="callback_secret.shown").exists()


def test_it_changes_with_the_first_encryption_key_alone(settings: Any) -> None:
    before, first = callback_secret("job-applier"), settings.ENCRYPTION_KEYS
    another = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = (*first, another)
    assert callback_secret("job-applier") == before
    settings.ENCRYPTION_KEYS = (another, *first)
    assert callback_secret("job-applier") != before
