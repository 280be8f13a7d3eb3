"""A scene in which every page has something to show."""

from __future__ import annotations

from datetime import timedelta

from approvals.states import Verdict
from audit import sql
from controlplane.delivery.judging import Outcome
from controlplane.delivery.operations import Wanted, add_channel, claim, create_endpoint, send_test, settle
from controlplane.operating.replaying import work_off
from costs.operations.pricing import price_model
from costs.own_prices import Rates
from policies.models import Firing
from policies.operations import save_draft, save_trigger, start_replay
from registry.operations import create_version, kill, lift, save_view, send_command
from registry.states import KillScope
from tests.controlplane.console.scene import BIDI, Scene, make_scene
from tests.controlplane.console.test_pages import report
from tests.reviewing import read_and_vote


def replay_finished(scene: Scene) -> None:
    """Have what was decided judged again, by a draft that forbids it."""
    forbid = {"forbid": {"name": "no-forms", "verb": "form.**"}}
    policies = {"strict": {"mode": "enforce", "rules": [forbid]}}
    draft = save_draft(policies=policies, reason="Stricter", by=scene.world.admin, now=scene.now)
    now = sql.now()
    replay = start_replay(revision=draft, since=now - timedelta(days=30), until=now, by=scene.world.admin, now=now)
    while work_off(replay_id=replay.pk):
        pass


def connected(scene: Scene) -> None:
    """Have a webhook that failed once, and a channel of the administrator."""
    world, now = scene.world, scene.now
    wanted = Wanted("n8n", "https://93.184.216.34/webhook/7", kinds=["approval.*"])
    endpoint = create_endpoint(wanted=wanted, team=world.team, by=world.admin, now=now).endpoint
    send_test(endpoint=endpoint, by=world.admin, now=now)
    jobs = claim(now=now, most=9, each=9, busy={})
    settle(ended=[(job, Outcome(503, milliseconds=48)) for job in jobs], now=now)
    add_channel(name="Mine", address="jsons://93.184.216.34/x", kinds=["waiting"], by=world.admin, now=now)


def trigger_fired(scene: Scene) -> None:
    """Have a trigger fire for the agent."""
    now = sql.now()
    document = {"count": "denials", "agent": scene.world.agent.slug, "more_than": 0, "per": "1h", "mode": "shadow"}
    trigger = save_trigger(slug="denials", document=document, by=scene.world.admin, now=now)
    Firing.objects.create(
        trigger=trigger, subject="job-applier", agent=scene.world.agent, concerns="talent", mode="shadow", measured=1,
        more_than=0, window_seconds=3600, at=now,
    )  # fmt: skip


def make_full_scene() -> Scene:
    """Build it by production's road."""
    scene = make_scene()
    world, now = scene.world, scene.now
    scene.budget()
    scene.budget("applier-day", agent="job-applier", per="day", limit_usd="5.00")
    report(scene)
    scene.submit()
    scene.submit("https://elsewhere.example/x")
    held = scene.hold("To be rejected")
    approved = scene.hold("To be approved")
    for request, verdict in ((held, Verdict.REJECT), (approved, Verdict.APPROVE)):
        read_and_vote(request, by=world.second, verdict=verdict, comment="As discussed", now=now)
    scene.hold(BIDI, to=("jane@acme.com", "j.doe@acme.example"))
    scene.hold()
    scene.spend(41, days_ago=3)
    scene.spend(1240)
    scene.spend(0, model="mystery-model", output=55)
    scene.roll_up()
    rates = Rates(input=2_500_000_000, cache_read=1_250_000_000, cache_write=0, output=10_000_000_000)
    price_model(model="our-own-model", rates=rates, reason="As agreed", by=world.admin, now=now)
    create_version(agent=world.agent, definition={"prompt": "Apply well."}, by=world.operator, now=now)
    send_command(agent=world.agent, kind="stop", by=world.operator, now=now)
    switch = kill(scope=KillScope.TAG, value="hr", reason="A drill", by=world.admin, now=now)
    lift(switch=switch, reason="It went well", by=world.admin, now=now)
    kill(scope=KillScope.TEAM, value=world.other.slug, reason="Odd invoices", by=world.admin, now=now)
    replay_finished(scene)
    trigger_fired(scene)
    connected(scene)
    save_view(page="runs.run", name="Failed today", query="show=failed&since=24h", by=world.admin, now=now)
    return scene
