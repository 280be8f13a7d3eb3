"""Kill switches and discarded drafts over HTTP."""

from __future__ import annotations

import pytest

from audit import sql
from audit.models import Entry
from registry.models import AgentVersion, KillExemption, KillSwitch
from registry.operations import create_version, kill
from tests.controlplane.api.callers import person, problem, rows
from tests.controlplane.api.scene import FORM, ask
from tests.world import World

pytestmark = pytest.mark.slow
PEOPLE = ("admin", "operator", "owner", "reviewer", "auditor", "stranger")


@pytest.mark.parametrize("role", PEOPLE)
def test_who_throws_and_lifts_over_a_team(ruled: World, role: str) -> None:
    caller = person(getattr(ruled, role))
    answer = caller.send("POST", "/kill-switches", {"scope": "team", "value": "talent", "reason": "Fire"})
    expected = {"admin": 201, "operator": 201, "stranger": 404}.get(role, 403)
    assert answer.status_code == expected
    assert KillSwitch.objects.count() == (expected == 201)
    if expected == 201:
        switch = answer.json()["id"]
        problem(caller.send("POST", "/kill-switches", {"scope": "team", "value": "talent", "reason": "x"}), 409)
        assert [row["id"] for row in rows(caller.get("/kill-switches?state=in_force"))] == [switch]
        assert caller.send("POST", f"/kill-switches/{switch}/lift", {"reason": "Out"}).json()["state"] == "lifted"
        problem(caller.send("POST", f"/kill-switches/{switch}/lift", {}), 409)
        assert set(Entry.objects.values_list("kind", flat=True)) >= {"kill_switch.thrown", "kill_switch.lifted"}


@pytest.mark.parametrize("role", PEOPLE[1:])
def test_only_administrators_stop_everything(ruled: World, role: str) -> None:
    body = {"scope": "all", "reason": "Fire"}
    problem(person(getattr(ruled, role)).send("POST", "/kill-switches", body), 403)
    assert not KillSwitch.objects.exists()


def test_one_agent_is_let_out_and_its_next_ask_is_judged(ruled: World) -> None:
    admin = person(ruled.admin)
    switch = admin.send("POST", "/kill-switches", {"scope": "all", "reason": "Fire"}).json()["id"]
    assert ask(ruled, "one", **FORM).effect == "deny"
    body = {"agent": "job-applier", "reason": "It puts the fire out"}
    problem(person(ruled.operator).send("POST", f"/kill-switches/{switch}/exemptions", body), 403)
    problem(person(ruled.stranger).send("POST", f"/kill-switches/{switch}/exemptions", body), 404)
    assert admin.send("POST", f"/kill-switches/{switch}/exemptions", body).status_code == 201
    assert ask(ruled, "two", **FORM).effect == "allow"
    problem(admin.send("POST", f"/kill-switches/{switch}/exemptions", body), 409)
    problem(person(ruled.operator).send("DELETE", f"/kill-switches/{switch}/exemptions/job-applier"), 403)
    assert admin.send("DELETE", f"/kill-switches/{switch}/exemptions/job-applier").status_code == 204
    assert ask(ruled, "three", **FORM).effect == "deny"
    problem(admin.send("DELETE", f"/kill-switches/{switch}/exemptions/job-applier"), 404)
    assert not KillExemption.objects.exists()


def test_bad_input_is_told_by_place(ruled: World) -> None:
    caller = person(ruled.admin)
    for body in ({"scope": "planet", "value": "x", "reason": "r"}, {"scope": "agent", "reason": "r"}, {"scope": "all"}):
        problem(caller.send("POST", "/kill-switches", body), 422)
    problem(caller.send("POST", "/kill-switches", {"scope": "all", "reason": "r", "more": 1}), 422)
    problem(caller.send("POST", "/kill-switches/987654/lift", {}), 404)
    problem(caller.get("/kill-switches?colour=red"), 400)
    switch = kill(scope="team", value="billing", reason="r", by=ruled.admin, now=sql.now())
    assert person(ruled.owner).get(f"/kill-switches/{switch.pk}").status_code == 404


@pytest.mark.parametrize("role", PEOPLE)
def test_who_discards_a_draft(ruled: World, role: str) -> None:
    version = create_version(agent=ruled.agent, definition={"n": 2}, by=ruled.admin, now=sql.now())
    answer = person(getattr(ruled, role)).send("POST", f"/versions/{version.pk}/discard")
    expected = {"admin": 200, "operator": 200, "reviewer": 404, "stranger": 404}.get(role, 403)
    assert answer.status_code == expected
    assert (AgentVersion.objects.get(pk=version.pk).state == "discarded") == (expected == 200)
    if expected == 200:
        problem(person(ruled.admin).send("POST", f"/versions/{version.pk}/discard"), 409)
