"""Who writes triggers, over what was read; each is tried before it warns or enforces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit import sql
from audit.models import Entry
from audit.refusals import Conflict, Forbidden, Missing, PreconditionFailed
from policies.models import Firing, Trigger
from policies.operations import save_trigger, try_trigger
from policies.operations.triggers import definition_of
from registry.documents import DocumentInvalid
from tests.policies.triggering import DENIALS, deny, enforcing, look, note_denials, save
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_it_must_be_tried_as_it_is_before_it_warns_or_enforces(world: World, mode: str) -> None:
    with pytest.raises(DocumentInvalid, match="Try exactly this") as caught:
        save(world, mode=mode, try_first=False)
    assert [(problem.pointer, problem.code) for problem in caught.value.errors] == [("/mode", "not_tried")]
    trigger = save(world, mode="shadow")
    with pytest.raises(DocumentInvalid, match="Try exactly this"):
        save(world, mode=mode, try_first=False)
    try_trigger(trigger=trigger, by=world.operator, now=sql.now())
    with pytest.raises(DocumentInvalid, match="Try exactly this"):
        save(world, mode=mode, more_than=3, try_first=False)
    assert save(world, mode=mode, note="Words are not what was tried.", try_first=False).mode == mode
    applied = save(world, slug="as-code", mode=mode, try_first=True)
    assert applied.tried_at
    assert applied.trial["times"] == 0


def test_it_is_written_over_what_was_read_and_a_new_one_over_nothing(world: World) -> None:
    now, read = sql.now(), definition_of(save(world)).full_digest
    # The mode and the note are no part of what is tried, and are part of what is read.
    save(world, mode="off", note="Somebody else's.")
    for document in (DENIALS, {**DENIALS, "mode": "off", "note": "Somebody else's."}):
        with pytest.raises(PreconditionFailed):
            save_trigger(slug="too-many", document=document, by=world.operator, now=now, seen=read)
    with pytest.raises(PreconditionFailed):
        save_trigger(slug="none-yet", document=DENIALS, by=world.operator, now=now, seen=read)
    with pytest.raises(Conflict, match="already"):
        save_trigger(slug="too-many", document=DENIALS, by=world.operator, now=now, new=True)
    save(world, slug="all", agent=None, each_agent=True)
    with pytest.raises(Conflict, match="already"):
        save_trigger(slug="all", document=DENIALS, by=world.operator, now=now, new=True)
    read = definition_of(Trigger.objects.get(slug="too-many")).full_digest
    assert save_trigger(slug="too-many", document=DENIALS, by=world.operator, now=now, seen=read).mode == "warn"


def test_a_trial_is_of_what_the_trigger_says_now(world: World) -> None:
    read = save(world)
    now = save(world, more_than=7)
    tried = try_trigger(trigger=read, by=world.operator, now=sql.now())
    assert tried.tried_digest == definition_of(now).digest
    save(world, agent=None, each_agent=True)
    with pytest.raises(Forbidden):
        try_trigger(trigger=read, by=world.operator, now=sql.now())


def test_trying_says_when_it_would_have_fired(world: World) -> None:
    now = sql.now()
    for days, times in ((40, 9), (20, 3), (10, 2), (5, 4)):
        note_denials(times, at=now - timedelta(days=days))
    look(world)
    trigger = try_trigger(trigger=save(world), by=world.operator, now=sql.now())
    trial = trigger.trial
    assert (trial["times"], trial["subjects"]) == (2, 1)
    # A minute counts as a whole.
    assert [each["measured"] for each in trial["excursions"]] == [4, 3]
    assert [each["highest"] for each in trial["excursions"]] == [4, 3]
    assert Entry.objects.get(kind="trigger.tried")


def test_another_definition_begins_anew(world: World) -> None:
    enforcing(world, more_than=2)
    deny(world, 3)
    look(world)
    assert Firing.objects.open().count() == 1
    save(world, mode="shadow", more_than=1)
    assert Firing.objects.open().count() == 0
    assert look(world) == 1
    assert save(world, mode="shadow", more_than=1).history.count() == 3


@pytest.mark.parametrize(
    ("who", "scope", "refusal"),
    [
        ("operator", {"agent": "job-applier"}, None),
        ("operator", {"agent": None, "team": "talent"}, None),
        ("operator", {"agent": None}, Forbidden),
        ("stranger", {"agent": "job-applier"}, Missing),
        ("stranger", {"agent": None, "team": "talent"}, Missing),
        ("owner", {"agent": "job-applier"}, Forbidden),
        ("reviewer", {"agent": "job-applier"}, Missing),
        ("auditor", {"agent": "job-applier"}, Forbidden),
        ("admin", {"agent": None}, None),
    ],
)
def test_who_writes_triggers(world: World, who: str, scope: dict[str, Any], refusal: type[Exception] | None) -> None:
    if refusal is None:
        assert save(world, by=getattr(world, who), **scope).pk
        return
    with pytest.raises(refusal):
        save(world, by=getattr(world, who), **scope)


def test_who_sees_triggers(world: World) -> None:
    save(world)
    save(world, slug="all", agent=None, each_agent=True)
    seen = {
        who: Trigger.objects.visible_to(getattr(world, who)).count()
        for who in ("admin", "auditor", "operator", "owner", "stranger", "reviewer")
    }
    assert seen == {"admin": 2, "auditor": 2, "operator": 2, "owner": 2, "stranger": 1, "reviewer": 0}
