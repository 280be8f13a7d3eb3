"""A scene in which every page has something to show."""

from __future__ import annotations

from approvals.operations import vote
from approvals.operations.requests import current_revision
from approvals.states import Verdict
from costs.operations.pricing import price_model
from costs.own_prices import Rates
from registry.operations import create_version, kill, lift, save_view, send_command
from registry.states import KillScope
from tests.controlplane.console.scene import BIDI, Scene, make_scene
from tests.controlplane.console.test_pages import report


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
        vote(
            request_id=request.pk, revision=1, verdict=verdict, digest=current_revision(request).digest,
            comment="As discussed", by=world.second, now=now,
        )  # fmt: skip
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
    save_view(page="runs.run", name="Failed today", query="show=failed&since=24h", by=world.admin, now=now)
    return scene
