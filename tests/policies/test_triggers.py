"""Threshold triggers: fire once per excursion, stop and never let go on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from audit import sql
from audit.actors import System
from audit.ids import new_id
from audit.models import Entry
from audit.operations import record, seal
from audit.refusals import Conflict, Forbidden
from controlplane import gateway
from policies.models import Counted, CountingCursor, Firing
from policies.operations import rearm, watch
from policies.operations.counting import _MOST
from policies.triggers.trying import minute_of
from registry.operations import resume_agent
from tests.controlplane.api.callers import agent as caller_of
from tests.controlplane.api.scene import ask, run, step
from tests.policies.triggering import DENIALS, deny, enforcing, look, note_denials, save
from tests.world import World, make_agent

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_above_the_threshold_it_fires_once_and_not_at_it(world: World) -> None:
    trigger = save(world)
    deny(world, 2)
    assert look(world) == 0
    deny(world, 1, "more")
    assert look(world) == 1
    deny(world, 3, "again")
    assert look(world) == 0
    firing = Firing.objects.get()
    assert (firing.trigger, firing.measured, firing.mode, firing.paused) == (trigger, 3, "warn", [])
    entry = Entry.objects.get(kind="trigger.fired")
    assert (entry.actor_id, entry.agent, entry.outcome) == ("trigger:too-many", "job-applier", "warn")


def test_falling_below_arms_it_again(world: World) -> None:
    save(world)
    deny(world, 3)
    assert look(world) == 1
    later = sql.now() + 2 * HOUR
    assert look(world, now=later) == 0
    firing = Firing.objects.get()
    assert (firing.state, firing.rearmed_by) == ("rearmed", None)
    note_denials(3, at=later)
    assert look(world, now=later + timedelta(minutes=1)) == 1


def test_what_was_counted_is_counted_once_however_often_it_is_looked_at(world: World) -> None:
    save(world, more_than=100)
    deny(world, 2)
    for _ in range(3):
        look(world)
    assert sum(Counted.objects.values_list("amount", flat=True)) == 2
    deny(world, 1, "more")
    look(world)
    assert sum(Counted.objects.values_list("amount", flat=True)) == 3


def test_shadow_and_off_stop_nobody(world: World) -> None:
    save(world, mode="shadow")
    save(world, slug="sleeping", mode="off")
    deny(world, 3)
    assert look(world) == 1
    world.agent.refresh_from_db()
    assert world.agent.state == "active"
    assert Firing.objects.get().mode == "shadow"


def test_enforce_pauses_with_the_trigger_named(world: World) -> None:
    enforcing(world)
    deny(world, 3)
    assert look(world) == 1
    world.agent.refresh_from_db()
    assert (world.agent.state, world.agent.state_reason) == ("paused", "The trigger too-many fired.")
    entry = Entry.objects.get(kind="agent.paused")
    assert (entry.actor_type, entry.actor_id) == ("system", "trigger:too-many")
    assert ask(world, "after", verb="report.read", destination="https://a.example.com/").effect == "deny"


def test_an_agent_can_never_release_itself(world: World) -> None:
    trigger = enforcing(world)
    deny(world, 3)
    look(world)
    firing = Firing.objects.get()
    caller = caller_of(world.text)
    # Neither by any call with its key, …
    for method, path, body in (
        ("POST", "/agents/job-applier/resume", {}),
        ("POST", f"/firings/{firing.pk}/rearm", {}),
        ("PUT", f"/triggers/{trigger.slug}", {**DENIALS, "mode": "off"}),
    ):
        assert caller.send(method, path, body).status_code in {401, 403, 404}, path
    with pytest.raises((Forbidden, AttributeError)):
        rearm(firing=firing, by=world.principal, now=sql.now())  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        resume_agent(agent=world.agent, reason="", by=world.principal, now=sql.now())
    # … nor by keeping quiet until the count has fallen: the trigger is armed again, the agent stays paused.
    look(world, now=sql.now() + 3 * HOUR)
    firing.refresh_from_db()
    world.agent.refresh_from_db()
    assert (firing.state, world.agent.state) == ("rearmed", "paused")


def test_asking_while_paused_counts_for_nothing(world: World) -> None:
    enforcing(world)
    deny(world, 3)
    look(world)
    before = sum(Counted.objects.values_list("amount", flat=True))
    deny(world, 5, "paused")
    look(world)
    assert sum(Counted.objects.values_list("amount", flat=True)) == before


def test_a_person_arms_it_again_and_the_old_count_does_not_fire_it(world: World) -> None:
    save(world)
    deny(world, 3)
    look(world)
    firing = Firing.objects.get()
    for who in ("owner", "reviewer", "auditor", "stranger"):
        with pytest.raises(Forbidden):
            rearm(firing=firing, by=getattr(world, who), now=sql.now())
    rearm(firing=firing, by=world.operator, now=sql.now())
    assert look(world) == 0
    later = sql.now() + timedelta(minutes=2)
    note_denials(3, at=later)
    assert look(world, now=later) == 1
    with pytest.raises(Conflict):
        rearm(firing=firing, by=world.operator, now=sql.now())


def test_each_agent_of_a_scope_is_counted_by_itself(world: World) -> None:
    for slug in ("one", "two", "three"):
        make_agent(slug, owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    save(world, agent=None, team="talent", each_agent=True)
    save(world, slug="together", agent=None, team="talent", more_than=6)
    note_denials(3, at=sql.now(), agent="one")
    note_denials(2, at=sql.now(), agent="two")
    note_denials(9, at=sql.now(), agent="three", team="billing")
    assert look(world) == 1
    assert [firing.subject for firing in Firing.objects.all()] == ["one"]
    note_denials(2, at=sql.now(), agent="two")
    assert look(world) == 2
    assert set(Firing.objects.values_list("trigger__slug", "subject")) == {
        ("too-many", "one"), ("too-many", "two"), ("together", "talent"),
    }  # fmt: skip


def test_a_team_that_is_over_has_every_agent_paused(world: World) -> None:
    other = make_agent("helper", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    foreign = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin, now=sql.now())
    enforcing(world, agent=None, team="talent")
    deny(world, 3)
    look(world)
    for row in (world.agent, other, foreign):
        row.refresh_from_db()
    assert (world.agent.state, other.state, foreign.state) == ("paused", "paused", "active")
    assert Firing.objects.get().paused == ["job-applier", "helper"]


def test_failures_and_spend_are_counted_from_reports(world: World) -> None:
    save(world, slug="failing", count="failures", more_than=1)
    save(world, slug="spending", count="spend", more_than=None, more_than_usd="0.0001")
    items = [run("r-1"), step("s-1", "r-1"), step("s-2", "r-1", error={"type": "Other", "message": "x"})]
    gateway.ingest(principal=world.principal, items=items)
    assert look(world) == 2
    found = {firing.trigger.slug: firing.measured for firing in Firing.objects.select_related("trigger")}
    assert found["failing"] == 2
    assert found["spending"] == 2 * (1200 * 150 + 350 * 600)


def test_a_burst_over_the_turn_of_a_minute_is_within_a_minute(world: World) -> None:
    save(world, more_than=2, per="1m")
    turn = sql.now().replace(second=0, microsecond=0) + timedelta(minutes=5)
    note_denials(2, at=turn - timedelta(seconds=10))
    note_denials(1, at=turn + timedelta(seconds=10))
    assert look(world, now=turn + timedelta(seconds=20)) == 1
    # What lies two minutes back is in no window of one.
    assert look(world, now=turn + timedelta(seconds=120)) == 0
    assert not Firing.objects.open().exists()


def test_a_trigger_that_fails_at_every_look_keeps_no_other_from_firing(world: World) -> None:
    save(world, slug="broken", count="spend", more_than=None, more_than_usd="1.00")
    save(world, slug="sound")
    minute = sql.now().replace(second=0, microsecond=0)
    for number in range(3):
        # More than its column's sums hold, written past the counting.
        Counted.objects.create(
            measure="spend", minute=minute - timedelta(minutes=number), agent=world.agent, team="talent", amount=2**62
        )
    deny(world, 3)
    seal(now=sql.now(), everything=True)
    with pytest.raises(DatabaseError):
        watch(now=sql.now())
    assert [firing.trigger.slug for firing in Firing.objects.select_related("trigger")] == ["sound"]


def test_no_report_however_large_brings_a_minute_to_the_end_of_its_column(world: World) -> None:
    save(world, slug="spending", count="spend", more_than=None, more_than_usd="1.00")
    for _ in range(2):
        for _ in range(2):
            record(
                kind="usage.recorded", object_type="usage", object_id="batch", by=System("tests"), now=sql.now(),
                team="talent", agent="job-applier", outcome="created", details={"cost_nanousd": str(2**62)},
            )  # fmt: skip
        look(world)
    assert set(Counted.objects.values_list("amount", flat=True)) == {2**48}
    assert Firing.objects.get().measured >= 2**48


def test_no_reports_for_as_long_as_a_day_keep_other_agents_from_being_looked_at(world: World) -> None:
    save(world, count="spend", agent=None, each_agent=True, more_than=None, more_than_usd="1.00", per="24h")
    other = make_agent("other", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    minutes = [minute_of(sql.now()) - timedelta(minutes=number) for number in range(1_200)]
    rows = [(other, minutes[0], 2 * 10**9), *((world.agent, minute, _MOST) for minute in minutes)]
    Counted.objects.bulk_create(
        Counted(measure="spend", agent=agent, team="talent", minute=at, amount=amount) for agent, at, amount in rows
    )
    assert watch(now=sql.now()) == 2
    assert set(Firing.objects.values_list("subject", flat=True)) == {"job-applier", "other"}


def test_a_long_trail_is_counted_from_where_it_matters(world: World) -> None:
    note_denials(2, at=sql.now())
    seal(now=sql.now() - timedelta(days=50), everything=True)
    note_denials(2, at=sql.now())
    watch(now=sql.now())
    seal(now=sql.now(), everything=True)
    watch(now=sql.now())
    assert sum(Counted.objects.values_list("amount", flat=True)) == 2
    assert CountingCursor.objects.get().seq > 2


def test_the_database_holds_one_open_firing_for_a_subject(world: World) -> None:
    """What a second watcher without the lock would run into."""
    save(world)
    deny(world, 3)
    look(world)
    twin = Firing.objects.get()
    twin.pk = new_id()
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)
