"""An agent's own calls: asking, looking, redeeming, reporting, withdrawing, commands."""

from __future__ import annotations

from typing import Any

import pytest

from approvals.operations.opening import current_revision
from audit import sql
from registry.models import Command
from registry.operations import pause_agent, send_command
from tests.controlplane.api.callers import Caller, agent, pointers, problem
from tests.controlplane.api.scene import FORM, MAIL, Scene
from tests.reviewing import read_and_vote
from tests.world import make_agent, make_key


@pytest.fixture
def machine(scene: Scene) -> Caller:
    return agent(scene.world.text)


def _ask(caller: Caller, key: str, action: dict[str, Any]) -> Any:
    return caller.send("POST", "/actions", action, Idempotency_Key=key)


def _approve(scene: Scene) -> str:
    """Approve the held mail; return the digest of what may be executed."""
    digest = current_revision(scene.held).digest
    read_and_vote(scene.held, by=scene.world.reviewer)
    return digest


def test_answers_carry_what_they_are(machine: Caller) -> None:
    allowed = _ask(machine, "a", FORM)
    body = allowed.json()
    assert (allowed.status_code, body["effect"], body["replayed"]) == (200, "allow", False)
    assert (body["grant"]["state"], body["grant"]["executor"]) == ("redeemed", "job-applier")
    held = _ask(machine, "b", MAIL)
    assert (held.status_code, held.json()["effect"]) == (202, "review")
    assert int(held["Retry-After"]) > 0
    assert held.json()["approval"]["state"] == "pending"
    denied = _ask(machine, "c", {"verb": "report.burn"})
    assert (denied.status_code, denied.json()["effect"]) == (200, "deny")
    assert denied.json()["reasons"]


@pytest.mark.parametrize("key", [None, "", "k" * 256, "schlüssel", "a\tb", "a\x7fb"])
def test_an_idempotency_key_is_required_and_printable(machine: Caller, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency_Key": key}
    problem(machine.send("POST", "/actions", FORM, **headers), 400, "malformed")


def test_the_same_key_replays_and_another_body_is_refused(machine: Caller) -> None:
    first = _ask(machine, "same", FORM).json()
    assert _ask(machine, "same", FORM).json() == {**first, "replayed": True}
    problem(_ask(machine, "same", MAIL), 422, "idempotency_key_reused")


def test_a_paused_agent_is_denied_and_still_reports(scene: Scene, machine: Caller) -> None:
    pause_agent(agent=scene.world.agent, reason="test", by=scene.world.operator, now=sql.now())
    answer = _ask(machine, "paused", FORM)
    assert (answer.status_code, answer.json()["effect"]) == (200, "deny")
    assert machine.send("POST", "/ingest", {"items": []}).status_code == 200


def test_an_action_is_the_askers_alone(scene: Scene, machine: Caller) -> None:
    world = scene.world
    other = make_agent("other", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    _, foreign = make_key(other, by=world.admin, now=sql.now())
    _, staging = make_key(world.agent, by=world.admin, environment="staging", now=sql.now())
    path = f"/actions/{scene.allowed.id}"
    assert machine.get(path).json()["effect"] == "allow"
    missing = "/actions/00000000-0000-7000-8000-000000000000"
    for caller, where in ((agent(foreign), path), (agent(staging), path), (machine, missing)):
        problem(caller.get(where), 404, "not_found")
        problem(caller.send("DELETE", where), 404, "not_found")
        problem(caller.send("POST", f"{where}/outcome", {"status": "failed"}), 404, "not_found")
        problem(
            caller.send("POST", f"{where}/redeem", {"digest": "0" * 64}, Idempotency_Key="k"), 404, "not_found"
        )  # fmt: skip


def test_looking_takes_a_number_of_seconds(scene: Scene, machine: Caller) -> None:
    path = f"/actions/{scene.held.decision_id}"
    assert machine.get(f"{path}?wait=0").json()["approval"]["state"] == "pending"
    assert machine.get(f"/actions/{scene.allowed.id}?wait=30s").status_code == 200
    for bad in ("soon", "-1", "1.5", "٣", "999999999"):
        problem(machine.get(f"{path}?wait={bad}"), 400, "bad_query")
    problem(machine.get(f"{path}?surplus=1"), 400, "bad_query")
    problem(machine.get("/commands?surplus=1"), 400, "bad_query")


def test_redeeming_gives_the_bytes_once_and_the_outcome_closes(scene: Scene, machine: Caller) -> None:
    path = f"/actions/{scene.held.decision_id}"
    problem(machine.send("POST", f"{path}/redeem", {"digest": "0" * 64}, Idempotency_Key="r"), 409, "not_granted")
    problem(machine.send("POST", f"{path}/outcome", {"status": "succeeded"}), 409, "outcome_conflict")
    digest = _approve(scene)
    problem(machine.send("POST", f"{path}/redeem", {"digest": digest}), 400, "malformed")
    problem(machine.send("POST", f"{path}/redeem", {"digest": "0" * 64}, Idempotency_Key="r"), 409, "payload_mismatch")
    redeemed = machine.send("POST", f"{path}/redeem", {"digest": digest}, Idempotency_Key="r")
    assert redeemed.status_code == 200, redeemed.content
    assert redeemed.json()["action"]["payload"] == MAIL["payload"]
    assert redeemed.json()["replayed"] is False
    again = machine.send("POST", f"{path}/redeem", {"digest": digest}, Idempotency_Key="r")
    assert again.json() == {**redeemed.json(), "replayed": True}
    problem(machine.send("POST", f"{path}/redeem", {"digest": digest}, Idempotency_Key="s"), 409, "already_redeemed")
    problem(machine.send("DELETE", path), 409)
    report = {"status": "succeeded", "note": "250 OK", "result_digest": "a" * 64}
    for _ in range(2):
        assert machine.send("POST", f"{path}/outcome", report).json()["state"] == "succeeded"
    problem(machine.send("POST", f"{path}/outcome", {"status": "failed"}), 409, "outcome_conflict")


def test_what_waits_can_be_withdrawn(scene: Scene, machine: Caller) -> None:
    path = f"/actions/{scene.held.decision_id}"
    assert machine.send("DELETE", path).json()["approval"]["state"] == "cancelled"
    problem(machine.send("DELETE", path), 409, "already_decided")


def test_self_is_the_agents_own_registration(scene: Scene, machine: Caller) -> None:
    body = machine.get("/self").json()
    assert (body["agent"], body["team"], body["environment"], body["version"]) == (
        "job-applier", "talent", "production", 1,
    )  # fmt: skip
    assert body["state"] == "active"
    assert "act" in body["scopes"]


def test_commands_are_fetched_and_acknowledged_once(scene: Scene, machine: Caller) -> None:
    command = machine.get("/commands").json()["commands"][0]
    assert (command["kind"], command["state"]) == ("start", "delivered")
    assert machine.get("/commands").json()["commands"] == []
    path = f"/commands/{command['id']}/ack"
    found = problem(machine.send("POST", path, {"status": "maybe"}), 422)
    assert pointers(found)[0][0] == "/status"
    for _ in range(2):
        done = machine.send("POST", path, {"status": "succeeded", "note": "up"})
        assert done.json()["state"] == "succeeded"
    problem(machine.send("POST", path, {"status": "failed"}), 409, "illegal_transition")
    late = send_command(agent=scene.world.agent, kind="stop", by=scene.world.operator, now=sql.now())
    Command.objects.filter(pk=late.pk).update(expires_at=late.requested_at)
    problem(machine.send("POST", f"/commands/{late.pk}/ack", {"status": "succeeded"}), 410, "expired")
