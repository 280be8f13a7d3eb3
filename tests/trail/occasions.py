"""Occasions for what the permission table's world gives none: each prepares something, then says what a person sends.

Preparing is production's road too, and is not watched; sending is.
"""

from __future__ import annotations

from approvals.models import ApprovalRequest, Queue
from approvals.operations import grant_break_glass, read_bytes, read_under_break_glass
from approvals.operations.opening import current_revision
from audit import sql
from controlplane.delivery.models import Delivery, Endpoint
from controlplane.delivery.operations import digest_of
from controlplane.delivery.states import DeliveryState
from registry.models import Agent, KillSwitch, Team, User, Verb
from registry.operations import kill, let_out, save_agent, save_team, save_verb
from registry.operations.transfers import propose_transfer
from registry.states import Role
from tests.forms import over
from tests.matrix.asking import Asker
from tests.matrix.places import MAIL, _asker, _held
from tests.trail import account_occasions
from tests.trail.sending import Occasion, Send, calls, enter, posts
from tests.world import make_person

# --- held actions ----------------------------------------------------------------------------


def bulk(asker: Asker) -> Send:
    world = asker.places.world
    queue = Queue.objects.get(slug="own-mail")
    queue.bulk_limit = 5
    queue.save()
    ask = _asker(asker.keys["key"])
    rows = [_held(ask({**MAIL, "purpose": f"letter {number}"})) for number in range(2)]
    ticks = [f"{row.pk}:{row.revision}:{current_revision(row).digest}" for row in rows]
    for row in rows:
        read_bytes(request=row, by=world.reviewer, now=sql.now())
    address = f"/approvals/approvalrequest/do/bulk/?like={rows[0].pk}"
    return posts(world.reviewer, address, {"row": ticks, "comment": "read"})


def approve(asker: Asker) -> Send:
    held = ApprovalRequest.objects.get(pk=asker.places.own.things["held"].pk)
    body = {"revision": held.revision, "digest": current_revision(held).digest, "comment": "read"}
    return posts(asker.places.world.reviewer, f"/approvals/approvalrequest/{held.pk}/approve/", body)


def _chief(asker: Asker) -> tuple[User, ApprovalRequest]:
    chief = make_person("chief", Role.ADMIN, now=sql.now())
    grant_break_glass(user=chief, by=asker.places.world.admin, now=sql.now())
    return chief, ApprovalRequest.objects.get(pk=asker.places.own.things["held"].pk)


def break_glass(asker: Asker) -> Send:
    chief, held = _chief(asker)
    return posts(chief, f"/approvals/approvalrequest/{held.pk}/break-glass/", {"reason": "deadline"})


def overrule(asker: Asker) -> Send:
    chief, held = _chief(asker)
    read_under_break_glass(request=held, reason="deadline", by=chief, now=sql.now())
    body = {
        "revision": 1, "digest": current_revision(held).digest, "reason": "deadline",
        "destination": "email:jane@acme.com", "confirmed_amount": "",
    }  # fmt: skip
    return posts(chief, f"/approvals/approvalrequest/{held.pk}/overrule/", body)


def delete_queue(asker: Asker) -> Send:
    admin = asker.places.world.admin
    body = {"slug": "unused", "reviewers": [asker.places.world.team.pk], "quorum": 1, "ttl": "24h", "bulk_limit": 0}
    assert enter(admin).post("/approvals/queue/do/create/", body).status_code == 302
    queue = Queue.objects.get(slug="unused")
    return posts(admin, f"/approvals/queue/{queue.pk}/delete/", {})


# --- money -----------------------------------------------------------------------------------


def price(asker: Asker) -> Send:
    client, address = enter(asker.places.world.admin), "/costs/modelprice/do/price/"
    body = dict.fromkeys(("input", "cache_read", "cache_write", "output"), "1.00")
    body |= {"model": "some-model", "reason": "the invoice"}
    shown = client.post(address, body)
    confirmed = shown.context["form"]["confirmed"].value()
    return lambda: client.post(address, {**body, "confirmed": confirmed})


# --- agents ----------------------------------------------------------------------------------


def _proposed(asker: Asker) -> Agent:
    world = asker.places.world
    agent = Agent.objects.select_related("team", "owner").get(slug="own-agent")
    propose_transfer(agent=agent, owner=world.operator, team=world.team, reason="x", by=world.owner, now=sql.now())
    return agent


def accept(asker: Asker) -> Send:
    agent = _proposed(asker)
    return posts(asker.places.world.operator, f"/registry/agent/{agent.pk}/accept/", {})


def decline(asker: Asker) -> Send:
    agent = _proposed(asker)
    return posts(asker.places.world.operator, f"/registry/agent/{agent.pk}/decline/", {"reason": "no"})


def revert_agent(asker: Asker) -> Send:
    world, agent = asker.places.world, Agent.objects.select_related("team", "owner").get(slug="own-helper")
    record = agent.history.latest().pk  # type: ignore[attr-defined]  # simple-history's
    save_agent(
        slug=agent.slug, name="Another", owner=agent.owner, team=agent.team, capabilities=agent.capabilities,
        data_scopes=agent.data_scopes, tags=agent.tags, by=world.admin, now=sql.now(),
    )  # fmt: skip
    return posts(world.operator, f"/registry/agent/{agent.pk}/revert/?to={record}", {})


def revert_verb(asker: Asker) -> Send:
    admin, verb = asker.places.world.admin, Verb.objects.get(name="report.read")
    record = verb.history.latest().pk  # type: ignore[attr-defined]  # simple-history's
    save_verb(name=verb.name, spec={"capability": "write"}, by=admin, now=sql.now())
    return posts(admin, f"/registry/verb/{verb.pk}/revert/?to={record}", {})


def edit_draft(asker: Asker) -> Send:
    draft = asker.places.own.things["draft"]
    body = {"definition": '{"n": 7}', "note": "another"}
    operator, edit = asker.places.world.operator, f"/registry/agentversion/{draft.pk}/edit/"
    return posts(operator, edit, over(enter(operator), edit, body))


def delete_team(asker: Asker) -> Send:
    admin = asker.places.world.admin
    save_team(slug="empty", name="Empty", lead=None, members=[], by=admin, now=sql.now())
    return posts(admin, f"/registry/team/{Team.objects.get(slug='empty').pk}/delete/", {})


# --- kill switches ---------------------------------------------------------------------------


def _switch(asker: Asker) -> KillSwitch:
    return kill(scope="tag", value="own", reason="fire", by=asker.places.world.admin, now=sql.now())


def _let_out(asker: Asker) -> KillSwitch:
    switch = _switch(asker)
    agent = Agent.objects.select_related("team").get(slug="own-agent")
    let_out(switch=switch, agent=agent, reason="needed", by=asker.places.world.admin, now=sql.now())
    return switch


def throw(asker: Asker) -> Send:
    body = {"scope": "tag", "value": "own", "reason": "fire"}
    return posts(asker.places.world.admin, "/registry/killswitch/do/throw/", body)


def let_out_of_it(asker: Asker) -> Send:
    agent = Agent.objects.get(slug="own-agent")
    body = {"agent": agent.pk, "reason": "needed"}
    return posts(asker.places.world.admin, f"/registry/killswitch/{_switch(asker).pk}/let-out/", body)


def put_back(asker: Asker) -> Send:
    address = f"/registry/killswitch/{_let_out(asker).pk}/put-back/?agent=own-agent"
    return posts(asker.places.world.admin, address, {"reason": "enough"})


def exempt(asker: Asker) -> Send:
    body = {"agent": "own-agent", "reason": "needed"}
    return calls(asker.places.world.admin, "POST", f"/kill-switches/{_switch(asker).pk}/exemptions", body)


def end_exemption(asker: Asker) -> Send:
    address = f"/kill-switches/{_let_out(asker).pk}/exemptions/own-agent"
    return calls(asker.places.world.admin, "DELETE", address)


# --- connections -----------------------------------------------------------------------------


def edit_webhook(asker: Asker) -> Send:
    hook = asker.places.own.things["webhook"]
    assert isinstance(hook, Endpoint)
    body = {"name": "renamed", "url": hook.url, "seen": digest_of(hook)}
    return posts(asker.places.world.operator, f"/delivery/endpoint/{hook.pk}/edit/", body)


def delete_webhook(asker: Asker) -> Send:
    hook = asker.places.own.things["stopped webhook"]
    return calls(asker.places.world.operator, "DELETE", f"/webhooks/{hook.pk}")


def _given_up(asker: Asker) -> str:
    """Have a delivery given up; return its webhook's id."""
    row = Delivery.objects.get(pk=asker.places.own.things["delivery"].pk)
    Delivery.objects.filter(pk=row.pk).update(state=DeliveryState.DEAD, closed_at=sql.now())
    return str(row.endpoint_id)


def replay(asker: Asker) -> Send:
    return posts(asker.places.world.operator, f"/delivery/endpoint/{_given_up(asker)}/replay/", {})


def replay_by_api(asker: Asker) -> Send:
    return calls(asker.places.world.operator, "POST", f"/webhooks/{_given_up(asker)}/replay")


def choose_kinds(asker: Asker) -> Send:
    channel = asker.places.own.things["channel"]
    client, address = enter(asker.places.world.operator), f"/delivery/channel/{channel.pk}/kinds/"
    kind = client.get(address).context["form"].fields["kinds"].choices[0][0]
    return lambda: client.post(address, {"kinds": [kind]})


_HELD, _AGENT = (f"{place}/<str:object_id>/" for place in ("approvals/approvalrequest", "registry/agent"))
_SWITCH = "registry/killswitch/<str:object_id>/"

OCCASIONS: dict[tuple[str, str], Occasion] = {
    **account_occasions.OCCASIONS,
    ("POST", "approvals/approvalrequest/do/bulk/"): bulk,
    ("POST", "approvals/approvalrequest/<str:object_id>/approve/"): approve,
    ("POST", _HELD + "break-glass/"): break_glass,
    ("POST", _HELD + "overrule/"): overrule,
    ("POST", "approvals/queue/<str:object_id>/delete/"): delete_queue,
    ("POST", "costs/modelprice/do/price/"): price,
    ("POST", _AGENT + "accept/"): accept,
    ("POST", _AGENT + "decline/"): decline,
    ("POST", _AGENT + "revert/"): revert_agent,
    ("POST", "registry/verb/<str:object_id>/revert/"): revert_verb,
    ("POST", "registry/agentversion/<str:object_id>/edit/"): edit_draft,
    ("POST", "registry/team/<str:object_id>/delete/"): delete_team,
    ("POST", "registry/killswitch/do/throw/"): throw,
    ("POST", _SWITCH + "let-out/"): let_out_of_it,
    ("POST", _SWITCH + "put-back/"): put_back,
    ("POST", "delivery/endpoint/<str:object_id>/edit/"): edit_webhook,
    ("POST", "delivery/endpoint/<str:object_id>/replay/"): replay,
    ("POST", "delivery/channel/<str:object_id>/kinds/"): choose_kinds,
    ("POST", "api/v1/webhooks/<uuid:id>/replay"): replay_by_api,
    ("DELETE", "api/v1/webhooks/<uuid:id>"): delete_webhook,
    ("POST", "api/v1/kill-switches/<int:id>/exemptions"): exempt,
    ("DELETE", "api/v1/kill-switches/<int:id>/exemptions/<slug:agent>"): end_exemption,
}
