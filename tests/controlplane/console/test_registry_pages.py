"""Forms of agents, versions, keys and kill switches: what they do, whom they refuse, what they leave in the trail."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from registry.models import Agent, AgentKey, AgentTransfer, AgentVersion, KillExemption, KillSwitch, User
from registry.operations import create_version, kill
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.world import make_admin, make_agent

pytestmark = pytest.mark.slow
AWAY = ("owner", "reviewer", "auditor", "stranger")
FORM = {"name": "Sourcer", "capabilities": ["read"], "data_scopes": "candidates", "tags": "hr, new"}


def person(scene: Scene, role: str) -> User:
    found: User = getattr(scene.world, role)
    return found


def has_entry(kind: str) -> bool:
    return Entry.objects.filter(kind=kind).exists()


def facts(scene: Scene, **values: object) -> dict[str, object]:
    owner, team = scene.world.owner.pk, scene.world.team.pk
    return {**FORM, "slug": "sourcer", "owner": owner, "team": team, "enforcement": "advisory", **values}


def test_an_agent_is_registered(scene: Scene, visit: Visit) -> None:
    url, client = reverse("admin:registry_agent_register"), visit(scene.world.operator)
    assert client.get(url).status_code == 200
    assert client.post(url, facts(scene)).status_code == 302
    agent = Agent.objects.get(slug="sourcer")
    assert (agent.tags, agent.capabilities, agent.owner) == (["hr", "new"], ["read"], scene.world.owner)
    assert Entry.objects.filter(kind="agent.registered", agent="sourcer").count() == 1
    again = client.post(url, facts(scene))
    assert (again.status_code, "exists already" in again.content.decode()) == (409, True)
    bad = client.post(url, facts(scene, slug="Not A Slug", tags="UPPER"))
    assert bad.status_code == 422
    assert "lower-case letters" in bad.content.decode()
    assert client.post(url, facts(scene, slug="other", team=scene.world.other.pk)).status_code == 422


@pytest.mark.parametrize("role", AWAY[:3])
def test_who_operates_no_team_registers_nothing(scene: Scene, visit: Visit, role: str) -> None:
    url, client = reverse("admin:registry_agent_register"), visit(person(scene, role))
    assert client.get(url).status_code in {403, 404}
    assert client.post(url, facts(scene)).status_code in {403, 404, 422}
    assert not Agent.objects.filter(slug="sourcer").exists()


def test_an_agent_is_edited_and_its_words_come_back(scene: Scene, visit: Visit) -> None:
    agent, client = scene.world.agent, visit(scene.world.operator)
    form = client.get(page_of(agent, "edit")).content.decode()
    seen = form.split('name="seen" value="')[1].split('"')[0]
    data = {**FORM, "name": "Other", "enforcement": "enforced", "seen": seen}
    record = agent.history.first().history_id  # type: ignore[attr-defined]
    assert client.post(page_of(agent, "edit"), data).status_code == 302
    stale = client.post(page_of(agent, "edit"), {**data, "name": "Third"})
    assert (stale.status_code, "Somebody else changed" in stale.content.decode()) == (409, True)
    shown = client.get(page_of(agent)).content.decode()
    assert "Other" in shown
    assert "Bring back…" in shown
    revert = f"{page_of(agent, 'revert')}?to={record}"
    assert "Job application agent" in client.get(revert).content.decode()
    assert client.post(revert).status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.tags) == ("Job application agent", ["hr", "new"])
    assert has_entry("agent.reverted")
    assert client.get(f"{page_of(agent, 'revert')}?to=999999").status_code == 404


@pytest.mark.parametrize("role", AWAY)
def test_others_change_nothing_about_an_agent(scene: Scene, visit: Visit, role: str) -> None:
    agent, client = scene.world.agent, visit(person(scene, role))
    version = create_version(agent=agent, definition={}, by=scene.world.operator, now=scene.now)
    before = Entry.objects.count()
    tries = [
        (page_of(agent, "edit"), {**FORM, "enforcement": "enforced"}),
        (f"{page_of(agent, 'revert')}?to={agent.history.first().history_id}", {}),  # type: ignore[attr-defined]
        (page_of(version, "discard"), {}),
        (page_of(version, "promote"), {"environment": "production"}),
    ]
    for url, data in tries:
        assert client.post(url, data).status_code in {403, 404}, url
    assert Entry.objects.exclude(kind__startswith="console").count() == before


def test_an_owner_proposes_and_an_operator_accepts(scene: Scene, visit: Visit) -> None:
    world = scene.world
    owner, operator = visit(world.owner), visit(world.operator)
    data = {"owner": world.operator.pk, "team": world.team.pk, "reason": "I am leaving"}
    assert owner.post(page_of(world.agent, "transfer"), data).status_code == 302
    assert AgentTransfer.objects.open().count() == 1
    assert "proposed" in owner.get(page_of(world.agent)).content.decode()
    assert owner.post(page_of(world.agent, "accept")).status_code == 403
    assert "already" in owner.post(page_of(world.agent, "transfer"), data).content.decode()
    assert operator.post(page_of(world.agent, "accept")).status_code == 302
    world.agent.refresh_from_db()
    assert (world.agent.owner, world.agent.epoch) == (world.operator, 2)
    assert operator.post(page_of(world.agent, "decline")).status_code == 404
    same = operator.post(page_of(world.agent, "transfer"), {**data, "reason": "x"})
    assert (same.status_code, "answer for it already" in same.content.decode()) == (422, True)


def test_whoever_may_transfers_at_once(scene: Scene, visit: Visit) -> None:
    world, admin = scene.world, visit(scene.world.admin)
    data = {"owner": world.stranger.pk, "team": world.other.pk, "reason": "theirs now"}
    assert admin.post(page_of(world.agent, "transfer"), data).status_code == 302
    assert Agent.objects.get().team == world.other
    assert visit(world.operator).get(page_of(world.agent)).status_code == 404


def test_any_two_versions_are_compared_and_a_draft_is_discarded(scene: Scene, visit: Visit) -> None:
    agent, client = scene.world.agent, visit(scene.world.operator)
    prompt = {"prompt": "Write politely.", "tools": ["search"]}
    second = create_version(agent=agent, definition=prompt, by=scene.world.operator, now=scene.now)
    prompt = {"prompt": "Write kindly.", "tools": ["search", "mail"]}
    third = create_version(agent=agent, definition=prompt, by=scene.world.operator, now=scene.now)
    shown = client.get(f"{page_of(third)}?against={second.number}").content.decode()
    for text in ("v2 → v3", "/prompt", "<mark>kindly</mark>", "/tools/1", second.checksum[:0] + third.checksum):
        assert text in shown, text
    assert client.get(f"{page_of(third)}?against=junk").status_code == 200
    assert client.post(page_of(third, "discard")).status_code == 302
    assert AgentVersion.objects.get(pk=third.pk).state == "discarded"
    assert has_entry("version.discarded")
    refused = client.post(page_of(third, "promote"), {"environment": "production"})
    assert (refused.status_code, "was discarded" in refused.content.decode()) == (409, True)


def test_releases_say_what_is_live_and_next_and_promotion_keeps_its_evidence(scene: Scene, visit: Visit) -> None:
    agent, client = scene.world.agent, visit(scene.world.operator)
    draft = create_version(agent=agent, definition={"a": 1}, by=scene.world.operator, now=scene.now)
    page = client.get(page_of(agent, "releases")).content.decode()
    assert "Promote v2…" in page
    assert "has not run" in client.get(page_of(draft, "promote")).content.decode()
    stale = client.post(page_of(draft, "promote"), {"environment": "staging", "checksum": "0" * 64})
    assert stale.status_code == 409
    assert client.post(page_of(draft, "promote"), {"environment": "production"}).status_code == 302
    entry = Entry.objects.filter(kind="release.promoted").order_by("-id")[0]
    assert '"evidence"' in entry.details
    page = client.get(page_of(agent, "releases")).content.decode()
    assert "Roll back to v1…" in page
    assert client.post(page_of(agent, "releases")).status_code == 405
    assert visit(scene.world.reviewer).get(page_of(agent, "releases")).status_code == 404
    assert "disabled" in visit(scene.world.auditor).get(page_of(agent, "releases")).content.decode()


def test_a_key_is_rotated_and_shown_once(scene: Scene, visit: Visit) -> None:
    key, client = scene.world.key, visit(scene.world.owner)
    answer = client.post(page_of(key, "rotate"), {"hours": "1", "days": "30"})
    new = AgentKey.objects.exclude(pk=key.pk).get()
    assert f"acp_live_{new.public_id}_" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert has_entry("key.rotated")
    again = client.post(page_of(key, "rotate"), {"hours": "1", "days": "30"})
    assert (again.status_code, "revoke one first" in again.content.decode()) == (409, True)
    assert client.post(page_of(key, "rotate"), {"hours": "999", "days": "30"}).status_code == 422
    assert visit(scene.world.auditor).post(page_of(key, "rotate"), {"hours": "1", "days": "1"}).status_code == 403


def test_a_kill_switch_shows_its_scope_before_anything_stops(scene: Scene, visit: Visit) -> None:
    throw, client = reverse("admin:registry_killswitch_throw"), visit(scene.world.admin)
    asked = client.post(throw, {"scope": "all", "value": ""}).content.decode()
    assert "1 agent, 0 running" in asked
    assert "Type: pause everything" in asked
    assert not KillSwitch.objects.exists()
    wrong = client.post(throw, {"scope": "all", "value": "", "reason": "Fire", "confirmation": "yes"})
    assert (wrong.status_code, KillSwitch.objects.exists()) == (422, False)
    told = client.post(throw, {"scope": "team", "value": "nobody"})
    assert (told.status_code, "There is none of this name" in told.content.decode()) == (404, True)
    nameless = client.post(throw, {"scope": "agent", "value": ""})
    assert (nameless.status_code, "Write which one" in nameless.content.decode()) == (422, True)
    for answer in (told, nameless):
        assert "Show what it stops" in answer.content.decode()
    assert client.post(throw, {"scope": "tag", "value": "hr", "reason": "Fire"}).status_code == 302
    again = client.post(throw, {"scope": "tag", "value": "hr", "reason": "Fire"})
    assert (again.status_code, "in force already" in again.content.decode()) == (409, True)


def test_one_agent_is_let_out_and_its_next_ask_is_judged(scene: Scene, visit: Visit) -> None:
    world = scene.world
    make_agent("sourcer", owner=world.owner, team=world.team, by=world.admin, now=scene.now)
    switch = kill(scope="all", value="", reason="Fire", by=world.admin, now=scene.now)
    body = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}
    assert scene.ask(**body).effect == "deny"
    data = {"agent": world.agent.pk, "reason": "It puts the fire out"}
    for role in ("operator", "owner", "auditor"):
        assert visit(person(scene, role)).post(page_of(switch, "let-out"), data).status_code in {403, 404}, role
    client = visit(world.admin)
    assert client.post(page_of(switch, "let-out"), {**data, "reason": ""}).status_code == 422
    assert client.post(page_of(switch, "let-out"), data).status_code == 302
    assert scene.ask(**body).effect == "allow"
    assert "puts the fire out" in client.get(page_of(switch)).content.decode()
    assert "Let out of the" in client.get(page_of(world.agent)).content.decode()
    back = f"{page_of(switch, 'put-back')}?agent={world.agent.slug}"
    assert visit(world.operator).post(back, {"reason": ""}).status_code == 403
    assert client.post(back, {"reason": ""}).status_code == 302
    assert scene.ask(**body).effect == "deny"
    assert not KillExemption.objects.exists()
    assert has_entry("kill_switch.let_out")
    assert has_entry("kill_switch.put_back")


def test_tabs_of_agents_render_with_and_without_rows(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for tab in ("all", "silent", "ownerless", "paused", "keys"):
        assert client.get(list_of(Agent, f"show={tab}")).status_code == 200, tab


def test_limits_say_what_is_left(scene: Scene, visit: Visit) -> None:
    scene.submit()
    assert "199 of 200 left" in visit(scene.world.owner).get(page_of(scene.world.agent)).content.decode()


def test_welcome_ticks_from_what_is_so(scene: Scene, visit: Visit) -> None:
    url = reverse("admin:welcome")
    shown = visit(scene.world.admin).get(url).content.decode()
    assert "job-applier is registered." in shown
    assert "Run the command below" in shown
    scene.submit()
    assert "Read why" in visit(scene.world.admin).get(url).content.decode()
    assert "Register an agent…" in visit(scene.world.stranger).get(url).content.decode()


@pytest.mark.django_db
def test_an_installation_without_teams_tells_its_administrator_where_to_begin(visit: Visit) -> None:
    client = visit(make_admin())
    welcome = client.get(reverse("admin:welcome")).content.decode()
    assert welcome.index("Create a team…") < welcome.index("Register an agent…")
    for page in ("registry_agent_register", "approvals_queue_create", "approvals_queue_template"):
        told = client.get(reverse(f"admin:{page}"))
        assert (told.status_code, "There is no team yet" in told.content.decode()) == (409, True), page
    # These may be about everybody.
    for page in ("registry_killswitch_throw", "policies_trigger_create", "delivery_endpoint_create"):
        assert client.get(reverse(f"admin:{page}")).status_code == 200, page
