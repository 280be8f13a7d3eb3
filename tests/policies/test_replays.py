"""Replays: recorded decisions judged again, in slices that can be cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from approvals.models import ApprovalRequest, Vote
from audit import sql
from audit.models import Entry
from audit.refusals import Conflict, Forbidden, Invalid
from controlplane.operating import replaying
from policies.facts import LimitDemand
from policies.models import LONGEST_TRY, MOST_TRIES, Decision, Payload, Replay, Revision
from policies.operations import Measures, advance, cancel_replay, publish_set, revise_draft, save_draft, start_replay
from policies.replaying.recorded import declared
from policies.replaying.windows import Windows
from registry.operations import pause_agent, resume_agent, save_agent
from tests.controlplane.api.scene import FORM, MAIL, ask, make_ruled_world
from tests.world import World, built_once, make_agent, make_key

pytestmark = pytest.mark.django_db
POLICY = "job-applications"


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    def make() -> World:
        world = make_ruled_world()
        for number in range(4):
            assert ask(world, f"form-{number}", **FORM, units=3).effect == "allow"
        assert ask(world, "mail", **MAIL).effect == "review"
        assert ask(world, "denied", verb="report.read", destination="https://a.example.com/").effect == "deny"
        ask(world, "dry", **FORM, dry_run=True)
        return world

    with built_once(make, django_db_blocker) as world:
        yield world


@pytest.fixture
def world(built: World, db: None) -> World:
    return deepcopy(built)


def draft(world: World, *rules: dict[str, Any]) -> Revision:
    """Keep a draft in which one policy has these rules."""
    policies = {POLICY: {"applies_to": {"agents": ["job-applier"]}, "mode": "enforce", "rules": list(rules)}}
    return save_draft(policies=policies, by=world.admin, now=sql.now())


def rule(kind: str, verb: str, **more: Any) -> dict[str, Any]:
    name = more.pop("name", f"{kind}-{verb.split('.', maxsplit=1)[0]}")
    return {kind: {"name": name, "verb": verb, **more}}


ALLOW_FORMS, HOLD_MAIL = rule("allow", "form.submit"), rule("review", "email.**", queue="outreach")


def start(world: World, revision: Revision, by: Any = None, days: int = 1) -> Replay:
    now = sql.now()
    return start_replay(revision=revision, since=now - timedelta(days=days), until=now, by=by or world.admin, now=now)


def finish(replay: Replay, rows: int = 500) -> Replay:
    """Work it off as the task does; every slice is one chunk."""
    while advance(replay_id=replay.pk, measures=replaying.measures(), clock=sql.now, slice_of=timedelta(0), rows=rows):
        pass
    replay.refresh_from_db()
    return replay


def replayed(world: World, *rules: dict[str, Any], rows: int = 500) -> dict[str, Any]:
    replay = finish(start(world, draft(world, *rules)), rows)
    assert replay.state == "finished", replay.detail
    found: dict[str, Any] = replay.result
    return found


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    kinds = ("newly_blocked", "newly_allowed", "newly_held")
    blocked, allowed, held = (result[kind]["count"] for kind in kinds)
    return blocked, allowed, held, result["unchanged"]


def test_the_set_in_force_changes_nothing(world: World) -> None:
    published = Revision.objects.get(state="published")
    result = finish(start(world, published)).result
    assert counts(result) == (0, 0, 0, 6)


def test_a_forbidden_verb_is_newly_blocked_with_examples_agents_and_rules(world: World) -> None:
    result = replayed(world, ALLOW_FORMS, rule("forbid", "form.submit", name="stop"), HOLD_MAIL)
    assert counts(result) == (4, 0, 0, 2)
    blocked = result["newly_blocked"]
    assert blocked["agents"] == [["job-applier", 4]]
    assert blocked["rules"] == [[POLICY, "stop", 4]]
    assert blocked["effects"] == {"allow→deny": 4}
    first = blocked["examples"][0]
    assert first["id"] == str(Decision.objects.order_by("id").values_list("pk", flat=True)[0])
    assert (first["before"], first["now"]) == ("allow", "deny")
    assert "forbids this" in first["now_because"]


def test_what_was_held_or_denied_is_newly_allowed(world: World) -> None:
    result = replayed(world, ALLOW_FORMS, rule("allow", "email.**"), rule("allow", "report.read"))
    assert counts(result) == (0, 2, 0, 4)
    assert result["no_longer_held"] == 1


def test_newly_held_says_what_reviewing_takes_from_measured_times(world: World) -> None:
    held = replayed(world, rule("review", "form.submit", queue="outreach"), HOLD_MAIL)
    assert counts(held) == (0, 0, 4, 2)
    assert held["reviewing"] == {
        "seconds": None, "queues": [{"queue": "outreach", "held": 4, "measured": 0, "median_ms": None}],
    }  # fmt: skip
    from_queue = Decision.objects.get(effect="review")
    request = _request_of(from_queue)
    for number, took in enumerate((20_000, 60_000, 90_000)):
        Vote.objects.create(
            request=request, revision=number + 1, voter=world.reviewer, verdict="approve", digest="", at=sql.now(),
            took_ms=took,
        )  # fmt: skip
    result = replayed(world, rule("review", "form.submit", queue="outreach"), HOLD_MAIL)
    assert result["reviewing"] == {
        "seconds": 240, "queues": [{"queue": "outreach", "held": 4, "measured": 3, "median_ms": 60_000}],
    }  # fmt: skip


def _request_of(decision: Decision) -> Any:
    return ApprovalRequest.objects.get(decision=decision)


def test_limits_are_counted_again_in_the_decisions_own_order(world: World) -> None:
    limit = rule("limit", "form.submit", units=6, per="1d", by="agent", name="pace")
    result = replayed(world, ALLOW_FORMS, limit, HOLD_MAIL)
    assert counts(result) == (2, 0, 0, 4)
    assert result["newly_blocked"]["effects"] == {"allow→throttle": 2}


def test_what_a_limit_admitted_before_the_period_counts(world: World) -> None:
    policies = {POLICY: {"mode": "enforce", "rules": [
        ALLOW_FORMS, rule("limit", "form.submit", units=20, per="1d", by="agent", name="pace"), HOLD_MAIL,
    ]}}  # fmt: skip
    publish_set(policies=policies, queues=["outreach"], by=world.admin, now=sql.now(), reason="pace")
    assert ask(world, "before", **FORM, units=5).effect == "allow"
    since = sql.now()
    assert ask(world, "inside", **FORM, units=2).effect == "allow"
    tighter = draft(world, ALLOW_FORMS, rule("limit", "form.submit", units=6, per="1d", by="agent", name="pace"))
    now = sql.now()
    result = finish(start_replay(revision=tighter, since=since, until=now, by=world.admin, now=now)).result
    assert counts(result) == (1, 0, 0, 0)


def test_split_guards_are_counted_again(world: World) -> None:
    for number in range(4):
        payload = {"to": [f"p{number % 3}@acme.com"], "body": "Dear"}
        assert ask(world, f"mail-{number}", verb="email.send", payload=payload).effect == "review"
    drip = {"split": {"name": "drip", "verb": "email.**", "distinct": "destination", "max": 3, "per": "1h"}}
    # Recipients so far: jane, p0, p1; p2 is one too many, and p0 again costs nothing.
    for rows in (500, 1):
        result = replayed(world, ALLOW_FORMS, rule("allow", "email.**"), drip, rows=rows)
        assert counts(result) == (1, 4, 0, 5)
        assert result["newly_blocked"]["rules"] == [[POLICY, "drip", 1]]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_slices_of_any_size_give_the_same_result(world: World, rows: int) -> None:
    rules = (ALLOW_FORMS, rule("limit", "form.submit", units=7, per="1d", by="agent", name="pace"))
    assert replayed(world, *rules, rows=rows) == replayed(world, *rules)


def test_spend_is_the_record_else_the_estimate_else_the_reserve(world: World) -> None:
    ask(world, "estimated", **FORM, estimated_cost_nanousd=7)
    result = replayed(world, HOLD_MAIL)
    # Four forms without an estimate take the budget's reserve of 0.05 USD.
    assert result["newly_blocked"]["spend"] == {
        "recorded": 0, "with_record": 0, "estimated": 4 * 50_000_000 + 7, "with_estimate": 5, "unknown": 0,
    }  # fmt: skip


def test_what_policies_do_not_decide_stays_as_it_was(world: World) -> None:
    pause_agent(agent=world.agent, reason="test", by=world.admin, now=sql.now())
    assert ask(world, "paused", **FORM).effect == "deny"
    resume_agent(agent=world.agent, reason="", by=world.admin, now=sql.now())
    result = replayed(world, ALLOW_FORMS, HOLD_MAIL, rule("allow", "report.read"))
    assert result["carried"] == 1
    assert counts(result) == (0, 1, 0, 6)


def test_a_right_taken_away_since_is_no_new_denial(world: World) -> None:
    save_agent(
        slug="job-applier", name=world.agent.name, owner=world.owner, team=world.team, purpose="",
        capabilities=["read"], data_scopes=[], tags=["hr"], by=world.admin, now=sql.now(),
    )  # fmt: skip
    assert counts(replayed(world, ALLOW_FORMS, HOLD_MAIL)) == (0, 0, 0, 6)


def test_an_erased_payload_is_counted_and_not_guessed(world: World) -> None:
    Payload.objects.filter(decision__effect="review").delete()
    result = replayed(world, rule("forbid", "email.**"))
    assert result["erased"] == 1
    assert result["judged"] == 5


def test_a_replay_judges_what_its_asker_may_see(world: World) -> None:
    other = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin, now=sql.now())
    make_key(other, by=world.admin, now=sql.now())
    revision = draft(world, HOLD_MAIL)
    assert finish(start(world, revision, by=world.stranger)).done == 0
    assert finish(start(world, revision, by=world.operator)).done == 6
    assert finish(start(world, revision, by=world.owner)).done == 6
    mine = Replay.objects.visible_to(world.operator)
    assert [each.asked_by for each in mine] == [world.operator]
    assert Replay.objects.visible_to(world.auditor).count() == 3
    assert not Replay.objects.visible_to(world.reviewer).exists()


@pytest.mark.parametrize("who", ["reviewer", "auditor"])
def test_who_drafts_nothing_replays_nothing(world: World, who: str) -> None:
    with pytest.raises(Forbidden):
        start(world, draft(world), by=getattr(world, who))


def test_a_period_must_be_over_and_not_empty(world: World) -> None:
    now, revision = sql.now(), draft(world)
    first = datetime.min.replace(tzinfo=UTC)
    periods = ((now, now), (now, now + timedelta(1)), (now - timedelta(500), now), (first, first + timedelta(1)))
    for since, until in periods:
        with pytest.raises(Invalid):
            start_replay(revision=revision, since=since, until=until, by=world.admin, now=now)


def test_three_at_once_are_enough_for_one_person(world: World) -> None:
    revision = draft(world)
    for _ in range(3):
        start(world, revision)
    with pytest.raises(Conflict, match="under way"):
        start(world, revision)


def test_a_draft_that_changed_fails_the_replay_in_words(world: World) -> None:
    revision = draft(world, ALLOW_FORMS)
    replay = start(world, revision)
    revise_draft(revision=revision, seen=revision.digest, policies={}, by=world.admin, now=sql.now())
    assert finish(replay).state == "failed"
    assert "changed" in replay.detail


def test_an_unexpected_error_fails_it_and_ends(world: World) -> None:
    def broken(_: object) -> dict[Any, int]:
        raise ValueError("secret text")

    replay = start(world, draft(world))
    measures = Measures(costs=broken, reserve=lambda _: None, reviewing=lambda _: {})
    assert not advance(replay_id=replay.pk, measures=measures, clock=sql.now)
    replay.refresh_from_db()
    assert (replay.state, "secret" in replay.detail) == ("failed", False)


def test_what_takes_its_workers_with_it_stands_behind_the_others_and_comes_to_an_end(world: World) -> None:
    class Killed(BaseException):
        """As a worker's death: nothing in it is caught, nothing is kept."""

    def out_of_memory(_: object) -> dict[Any, int]:
        raise Killed

    deadly, other = start(world, draft(world)), start(world, draft(world))
    measures = Measures(costs=out_of_memory, reserve=lambda _: None, reviewing=lambda _: {})
    assert replaying.waiting(now=sql.now()) == deadly.pk
    for _ in range(MOST_TRIES):
        with pytest.raises(Killed):
            advance(replay_id=deadly.pk, measures=measures, clock=sql.now)
        assert replaying.waiting(now=sql.now()) == other.pk
    # The last try may be under way somewhere, and come to its end: nobody begins another, nobody ends it.
    assert not advance(replay_id=deadly.pk, measures=measures, clock=sql.now)
    assert finish(other).state == "finished"
    assert replaying.waiting(now=sql.now()) is None
    later = sql.now() + LONGEST_TRY
    assert replaying.waiting(now=later) == deadly.pk
    assert not advance(replay_id=deadly.pk, measures=measures, clock=lambda: later)
    deadly.refresh_from_db()
    assert (deadly.state, deadly.tries) == ("failed", MOST_TRIES)
    assert "no worker came to its end" in deadly.detail
    assert timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT) <= LONGEST_TRY


def test_a_slice_that_was_kept_forgets_the_tries_before_it(world: World) -> None:
    replay = start(world, draft(world))
    Replay.objects.filter(pk=replay.pk).update(tries=MOST_TRIES - 1, tried_at=sql.now())
    assert advance(replay_id=replay.pk, measures=replaying.measures(), clock=sql.now, slice_of=timedelta(0), rows=2)
    replay.refresh_from_db()
    assert (replay.done, replay.tries) == (2, 0)


def test_a_cancelled_replay_stays_so(world: World) -> None:
    replay = start(world, draft(world))
    assert advance(replay_id=replay.pk, measures=replaying.measures(), clock=sql.now, slice_of=timedelta(0), rows=2)
    with pytest.raises(Forbidden):
        cancel_replay(replay=replay, by=world.operator, now=sql.now())
    replay.refresh_from_db()
    cancel_replay(replay=replay, by=world.admin, now=sql.now())
    assert finish(replay).state == "cancelled"
    assert replay.done == 2
    assert bytes(replay.memory) == b""


def test_a_slice_that_somebody_else_kept_first_is_thrown_away(world: World) -> None:
    replay = start(world, draft(world))

    def meanwhile(_: object) -> dict[Any, int]:
        # Another worker does the same slice before this one is kept.
        if Replay.objects.get(pk=replay.pk).done == 0:
            assert advance(
                replay_id=replay.pk, measures=replaying.measures(), clock=sql.now, slice_of=timedelta(0), rows=2
            )
        return {}

    late = Measures(costs=meanwhile, reserve=lambda _: None, reviewing=lambda _: {})
    assert not advance(replay_id=replay.pk, measures=late, clock=sql.now, slice_of=timedelta(0), rows=5)
    replay.refresh_from_db()
    assert replay.done == 2
    assert finish(replay).result["judged"] == 6


def test_every_step_is_in_the_trail(world: World) -> None:
    replay = finish(start(world, draft(world)))
    kinds = Entry.objects.about("replay", str(replay.pk)).order_by("id").values_list("kind", "on_behalf_of")
    assert list(kinds) == [("replay.queued", ""), ("replay.running", "admin"), ("replay.finished", "admin")]


def test_windows_count_as_the_database_does() -> None:
    def demand(units: int) -> tuple[LimitDemand, ...]:
        return (LimitDemand("p", "r", "agent", "a", units, 10, 60),)

    windows, begin = Windows(), datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    windows.take(demand(10), at=begin)
    assert windows.exhausted(demand(1), at=begin + timedelta(seconds=59.999999))
    # Half-open: (t−W, t].
    assert windows.exhausted(demand(1), at=begin + timedelta(seconds=60)) is None
    assert not Windows(windows.keep()).exhausted(demand(10), at=begin + timedelta(seconds=60))


def test_a_slice_border_forgets_no_moment_of_a_decision_that_took_nothing() -> None:
    demand = (LimitDemand("p", "r", "agent", "a", 10, 10, 60),)
    begin = datetime.fromisoformat("2026-01-01T00:00:00+00:00")

    def admitted(border: bool) -> bool:
        windows = Windows()
        # The later of two decisions has the smaller id, and is held: it takes nothing.
        assert windows.exhausted(demand, at=begin + timedelta(seconds=2)) is None
        if border:
            windows = Windows(windows.keep(), last=windows.last)
        windows.take(demand, at=begin)
        return windows.exhausted(demand, at=begin + timedelta(seconds=61)) is None

    assert admitted(border=True) is admitted(border=False) is False


def test_recorded_bodies_read_as_they_were_asked(world: World) -> None:
    body = json.dumps({"verb": "payment.transfer", "amount": {"value": "8.50", "currency": "USD"}, "payload": {"n": 1}})
    said = declared(body.encode())
    assert (said.verb, str(said.amount.value) if said.amount else "", said.payload) == (
        "payment.transfer",
        "8.50",
        {"n": 1},
    )
