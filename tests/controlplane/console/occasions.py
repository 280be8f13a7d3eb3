"""What pages need beside the full scene to show what they are for: a proposal to answer, an unknown outcome."""

from __future__ import annotations

from datetime import timedelta

from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.socialaccount.models import SocialAccount

from approvals.models import ApprovalRequest, Grant
from approvals.operations import grant_break_glass, mark_silent, read_bytes, save_queue
from approvals.states import GrantState
from audit import sql
from audit.actors import System
from audit.canonical import dumps
from controlplane import gateway
from controlplane.accounts import factors
from policies.models import Revision
from policies.operations import start_replay
from policies.states import RevisionState
from registry.models import KillSwitch
from registry.operations import let_out, save_verb, save_view
from registry.operations.transfers import propose_transfer
from registry.states import KillState, Role
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.scene import BIDI, Scene
from tests.controlplane.console.ways_in import enter_by_password, registered_passkey
from tests.world import make_admin, make_agent, make_person

GLASS, SECURED = "glass-breaker", "secured"


def make_everything() -> Scene:
    """Build the full scene with an occasion for every page."""
    scene = make_full_scene()
    held_and_edited(scene)
    under_break_glass(scene)
    grant_without_outcome()
    replay_under_way(scene)
    configured_twice(scene)
    let_out_of_a_switch(scene)
    secured_account()
    return scene


def held_and_edited(scene: Scene) -> None:
    """Have what waits longest edited by one reviewer and opened by the other; its queue admits several at once."""
    world, now = scene.world, sql.now()
    save_queue(
        slug="outreach", reviewers=["talent"], quorum=1, ttl_seconds=24 * 3600, edits=True, editor_may_approve=False,
        owner_may_approve=True, bulk_limit=10, by=world.admin, now=now,
    )  # fmt: skip
    held = ApprovalRequest.objects.open().order_by("id")[0]
    payload = {"to": ["jane@acme.com", "j.doe@acme.example"], "subject": BIDI, "body": "Dear Jane, Dear John"}
    change = {"destination": None, "units": None, "amount": None, "payload": payload, "data_classes": ["pii"]}
    gateway.edit(request_id=held.pk, revision=1, raw=dumps(change), by=world.second)
    held.refresh_from_db()
    read_bytes(request=held, by=world.reviewer, now=now)


def under_break_glass(scene: Scene) -> None:
    """Have somebody who may break the glass."""
    now = sql.now()
    grant_break_glass(user=make_admin(GLASS, now=now), by=scene.world.admin, now=now)


def grant_without_outcome() -> None:
    """Have a grant of which nobody reported what came of it."""
    grant = Grant.objects.get(state=GrantState.REDEEMED)
    mark_silent(grant=grant, by=System("tests"), now=sql.now() + timedelta(days=30))


def replay_under_way(scene: Scene) -> None:
    """Have a replay that was asked for and is not over."""
    now = sql.now()
    draft = Revision.objects.get(state=RevisionState.DRAFT)
    start_replay(revision=draft, since=now - timedelta(days=7), until=now, by=scene.world.admin, now=now)


def configured_twice(scene: Scene) -> None:
    """Have an agent and a verb that were changed, and a transfer that waits for its answer."""
    world, now = scene.world, sql.now()
    agent = make_agent("job-applier", owner=world.owner, team=world.team, by=world.admin, now=now, name="Job applier")
    save_verb(name="report.read", spec={"capability": "read", "data_classes": ["pii"]}, by=world.admin, now=now)
    propose_transfer(
        agent=agent, owner=world.operator, team=world.team, reason="Moving on", by=world.owner, now=now
    )  # fmt: skip


def let_out_of_a_switch(scene: Scene) -> None:
    """Have an agent that a kill switch lets through."""
    world, now = scene.world, sql.now()
    agent = make_agent("invoicer", owner=world.stranger, team=world.other, by=world.admin, now=now, tags=["money"])
    switch = KillSwitch.objects.get(state=KillState.IN_FORCE)
    let_out(switch=switch, agent=agent, reason="Nothing odd here", by=world.admin, now=now)


def secured_account() -> None:
    """Have somebody with an app, a passkey, an account elsewhere, a second session and a saved view."""
    now = sql.now()
    person = make_person(SECURED, Role.OPERATOR, now=now)
    # Before there is a second factor, the password alone opens.
    assert enter_by_password(SECURED)[1] == "/"
    secret, past = generate_totp_secret(), now - timedelta(minutes=2)
    code = factors.format_hotp_value(factors.hotp_value(secret, int(past.timestamp()) // factors.PERIOD))
    factors.add_app(user=person, secret=secret, code=code, by=person, now=past)
    factors.add_passkey(user=person, name="Key ring", credential=registered_passkey(), by=person, now=now)
    SocialAccount.objects.create(user=person, provider="sso", uid="secured@example.com")
    save_view(page="runs.run", name="Mine", query="show=failed", by=person, now=now)
