"""What operators do over HTTP, and who may (semantics 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit import sql
from audit.models import Entry
from policies.models import Decision, Revision
from registry.models import Agent
from registry.operations import create_version, grant_publish, pause_agent, promote
from tests.controlplane.api.callers import Caller, person, pointers, problem, rows
from tests.controlplane.api.scene import FORM, MAIL
from tests.world import World, make_agent

pytestmark = pytest.mark.slow

PEOPLE = ("admin", "operator", "owner", "reviewer", "auditor", "stranger")
SEES_THE_AGENT = {"admin", "operator", "owner", "auditor"}
READS_POLICIES = {"admin", "operator", "owner", "auditor", "stranger"}
RULES = [{"allow": {"name": "submit", "verb": "form.submit", "destination": "https://jobs.example.com/*"}}]
POLICIES = {"other": {"applies_to": {"teams": ["talent"]}, "mode": "enforce", "rules": RULES}}


def _pause(caller: Caller, _world: World) -> Any:
    return caller.send("POST", "/agents/job-applier/pause", {"reason": "odd"})


def _resume(caller: Caller, world: World) -> Any:
    pause_agent(agent=Agent.objects.get(slug="job-applier"), reason="r", by=world.admin, now=sql.now())
    return caller.send("POST", "/agents/job-applier/resume", {})


def _command(caller: Caller, _world: World) -> Any:
    return caller.send("POST", "/agents/job-applier/commands", {"kind": "dispatch", "parameters": {"n": 1}})


def _version(caller: Caller, _world: World) -> Any:
    return caller.send("POST", "/versions", {"agent": "job-applier", "definition": {"prompt": "p"}, "note": "n"})


def _promote(caller: Caller, world: World) -> Any:
    create_version(agent=world.agent, definition={"n": 2}, by=world.admin, now=sql.now())
    return caller.send("POST", "/releases", {"agent": "job-applier", "version": 2, "environment": "production"})


def _roll_back(caller: Caller, world: World) -> Any:
    version = create_version(agent=world.agent, definition={"n": 2}, by=world.admin, now=sql.now())
    promote(version=version, environment="production", by=world.admin, now=sql.now())
    return caller.send("POST", "/releases/rollback", {"agent": "job-applier", "environment": "production"})


ON_THE_AGENT: dict[str, tuple[Callable[[Caller, World], Any], set[str]]] = {
    "pause": (_pause, {"admin", "operator", "owner"}),
    "resume": (_resume, {"admin", "operator"}),
    "command": (_command, {"admin", "operator"}),
    "version": (_version, {"admin", "operator"}),
    "promote": (_promote, {"admin", "operator"}),
    "roll back": (_roll_back, {"admin", "operator"}),
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("what", ON_THE_AGENT)
def test_calls_on_an_agent_are_for_whom_the_matrix_names(ruled: World, what: str, who: str) -> None:
    call, allowed = ON_THE_AGENT[what]
    answer = call(person(getattr(ruled, who)), ruled)
    if who in allowed:
        assert answer.status_code in {200, 201}, answer.content
    elif who in SEES_THE_AGENT:
        problem(answer, 403, "forbidden")
    else:
        problem(answer, 404, "not_found")


def test_pausing_and_resuming_tell_the_state_and_are_recorded(ruled: World) -> None:
    caller = person(ruled.operator)
    paused = _pause(caller, ruled).json()
    assert (paused["state"], paused["state_reason"]) == ("paused", "odd")
    entry = Entry.objects.get(kind="agent.paused")
    assert (entry.actor_id, entry.details) == ("talent-operator", '{"from":"active","reason":"odd","to":"paused"}')
    problem(_pause(caller, ruled), 409, "illegal_transition")
    resumed = caller.send("POST", "/agents/job-applier/resume", {"reason": "fine again"})
    assert resumed.json()["state"] == "active"


def test_a_command_can_be_followed(ruled: World) -> None:
    caller = person(ruled.operator)
    sent = _command(caller, ruled).json()
    assert (sent["kind"], sent["state"], sent["parameters"]) == ("dispatch", "requested", {"n": 1})
    assert caller.get(f"/agents/job-applier/commands/{sent['id']}").json() == sent
    for bad, pointer in (
        ({"kind": "explode"}, "/kind"), ({"kind": "stop", "ttl_seconds": 0}, "/ttl_seconds"),
        ({"kind": "stop", "parameters": []}, "/parameters"),
    ):  # fmt: skip
        found = problem(caller.send("POST", "/agents/job-applier/commands", bad), 422)
        assert pointers(found)[0][0] == pointer


def test_a_version_is_drafted_promoted_and_rolled_back(ruled: World) -> None:
    caller = person(ruled.operator)
    draft = _version(caller, ruled).json()
    assert (draft["number"], draft["state"], draft["definition"]) == (2, "draft", {"prompt": "p"})
    order = {"agent": "job-applier", "version": 2, "environment": "production"}
    problem(caller.send("POST", "/releases", {**order, "checksum": "0" * 64}), 409, "stale")
    release = caller.send("POST", "/releases", {**order, "checksum": draft["checksum"]})
    assert (release.status_code, release.json()["version"], release.json()["state"]) == (201, 2, "live")
    problem(caller.send("POST", "/releases", order), 409, "conflict")
    back = caller.send("POST", "/releases/rollback", {"agent": "job-applier", "environment": "production"})
    assert (back.json()["version"], back.json()["rolls_back"]) == (1, release.json()["id"])
    live = rows(caller.get("/releases?environment=production&state=live"))
    assert [row["version"] for row in live] == [1]
    problem(caller.send("POST", "/releases", {**order, "version": 9}), 404, "not_found")
    found = problem(caller.send("POST", "/releases", {**order, "environment": "moon"}), 422)
    assert pointers(found) == [("/environment", "unknown_value")]


@pytest.mark.parametrize("who", PEOPLE)
def test_policies_are_drafted_by_some_and_published_by_fewer(ruled: World, who: str) -> None:
    caller = person(getattr(ruled, who))
    drafted = caller.send("POST", "/policies", {"policies": POLICIES, "reason": "why"})
    if who in {"reviewer", "auditor"}:
        problem(drafted, 403, "forbidden")
        return
    assert drafted.status_code == 201, drafted.content
    assert drafted.json()["policies"] == POLICIES
    path, tag = f"/policies/{drafted.json()['number']}/publish", drafted["ETag"]
    published = caller.send("POST", path, {"reason": "now"}, If_Match=tag)
    if who == "admin":
        assert (published.status_code, published.json()["state"]) == (200, "published")
    else:
        problem(published, 403, "forbidden")


def test_who_may_publish_over_every_matched_agent_may_publish(ruled: World) -> None:
    grant_publish(team=ruled.team, user=ruled.operator, by=ruled.admin, now=sql.now())
    caller = person(ruled.operator)
    drafted = caller.send("POST", "/policies", {"policies": POLICIES})
    draft, tag = drafted.json(), drafted["ETag"]
    path = f"/policies/{draft['number']}/publish"
    problem(caller.send("POST", path, {"reason": "now"}), 428)
    problem(caller.send("POST", path, {"reason": "now"}, If_Match=f'"{"0" * 64}"'), 412)
    assert caller.send("POST", path, {"reason": "now"}, If_Match=tag).json()["reason"] == "now"
    problem(caller.send("POST", path, {"reason": "again"}, If_Match=tag), 409)
    restored = caller.send("POST", "/policies/1/rollback", {"reason": "back"})
    assert (restored.status_code, restored.json()["restores"]) == (201, 1)
    problem(caller.send("POST", f"/policies/{draft['number'] + 7}/publish", {"reason": "r"}, If_Match=tag), 404)
    problem(caller.send("POST", f"/policies/{restored.json()['number']}/rollback", {"reason": "r"}), 404)


@pytest.mark.parametrize(
    "scope",
    [{"teams": "billing"}, {"agents": "not-yet"}, {"agents": ["job-applier", "not-yet"]}, {"tags": "not-yet"}, {}],
)
def test_whom_nobody_is_yet_only_administrators_publish_over(ruled: World, scope: dict[str, Any]) -> None:
    grant_publish(team=ruled.team, user=ruled.operator, by=ruled.admin, now=sql.now())
    before = Revision.objects.get(state="published")
    ahead = {"ahead": {"applies_to": scope, "mode": "enforce", "rules": [{"allow": {"name": "everything"}}]}}
    for who, status in (("operator", 403), ("admin", 200)):
        caller = person(getattr(ruled, who))
        drafted = caller.send("POST", "/policies", {"policies": {**before.document, **ahead}})
        path = f"/policies/{drafted.json()['number']}/publish"
        assert caller.send("POST", path, {"reason": "early"}, If_Match=drafted["ETag"]).status_code == status


def test_a_tag_that_somebody_elses_agent_does_not_bear_yet_gives_no_right_over_it(ruled: World) -> None:
    grant_publish(team=ruled.team, user=ruled.operator, by=ruled.admin, now=sql.now())
    make_agent("biller", owner=ruled.stranger, team=ruled.other, by=ruled.admin, now=sql.now())
    rules, before = [{"forbid": {"name": "nothing"}}], Revision.objects.get(state="published").document
    caller, status = person(ruled.operator), {}
    for named in ("biller", "job-applier"):
        ahead = {"ahead": {"applies_to": {"agents": [named], "tags": ["not-yet"]}, "mode": "enforce", "rules": rules}}
        drafted = caller.send("POST", "/policies", {"policies": {**before, **ahead}})
        path = f"/policies/{drafted.json()['number']}/publish"
        status[named] = caller.send("POST", path, {"reason": "x"}, If_Match=drafted["ETag"]).status_code
    assert status == {"biller": 403, "job-applier": 200}


def test_a_replay_that_ends_where_the_calendar_begins_is_refused(ruled: World) -> None:
    answer = person(ruled.admin).send("POST", "/policies/1/replays", {"until": "0001-01-01T05:00:00-14:00"})
    assert pointers(problem(answer, 422)) == [("/since", "too_early")]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_simulating_at_the_ends_of_the_calendar_answers(ruled: World, at: str) -> None:
    body = {"agent": "job-applier", "action": MAIL, "at": at}
    assert person(ruled.admin).send("POST", "/policies/simulate", body).status_code in {200, 422}


def test_a_bad_document_is_refused_with_pointers_into_the_body(ruled: World) -> None:
    bad = {"other": {"rules": [{"allow": {"verb": "form.submit"}}], "surplus": 1}}
    found = problem(person(ruled.admin).send("POST", "/policies", {"policies": bad}), 422, "document_invalid")
    places = [pointer for pointer, _ in pointers(found)]
    assert places
    assert all(place.startswith("/policies/other") for place in places), places


@pytest.mark.parametrize("who", PEOPLE)
def test_simulating_is_for_who_sees_the_agent(ruled: World, who: str) -> None:
    answer = person(getattr(ruled, who)).send("POST", "/policies/simulate", {"agent": "job-applier", "action": MAIL})
    if who in SEES_THE_AGENT:
        assert (answer.json()["effect"], answer.json()["queues"]) == ("review", ["outreach"])
    else:
        problem(answer, 404, "not_found")


def test_simulating_judges_and_leaves_nothing(ruled: World) -> None:
    caller = person(ruled.operator)
    entries = Entry.objects.count()

    def simulate(**body: Any) -> Any:
        return caller.send("POST", "/policies/simulate", {"agent": "job-applier", "action": FORM, **body})

    said = simulate().json()
    assert (said["effect"], said["policy_revision"]) == ("allow", 1)
    assert said["action"]["destinations"] == ["https://jobs.example.com/apply"]
    draft = caller.send("POST", "/policies", {"policies": {}}).json()["number"]
    other = simulate(revision=draft).json()
    assert (other["effect"], other["policy_revision"]) == ("deny", draft)
    assert simulate(at="2026-01-01T00:00:00Z", environment="staging").json()["effect"] == "allow"
    assert not Decision.objects.exists()
    assert Entry.objects.count() == entries + 1, "only the draft was recorded"
    for body, pointer in (
        ({"action": {**FORM, "units": 0}}, "/action/units"),
        ({"action": {**FORM, "surplus": 1}}, "/action/surplus"),
        ({"action": {**FORM, "destination": "https://u:p@x.com/"}}, "/action/destination"),
        ({"action": []}, "/action"),
        ({"environment": "moon"}, "/environment"),
        ({"at": "2026-01-01T00:00:00"}, "/at"),
        ({"revision": 0}, "/revision"),
    ):
        assert pointers(problem(simulate(**body), 422))[0][0] == pointer, body
    problem(simulate(revision=99), 404)
