"""Runs and steps over HTTP: one by one and in batches, each answered for itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit import sql
from audit.models import Entry
from costs.models import Usage
from runs.models import Run, Step
from tests.controlplane.api.callers import Caller, agent, person, pointers, problem, rows
from tests.controlplane.api.scene import run, step
from tests.world import World, make_agent, make_key


@pytest.fixture
def machine(world: World) -> Caller:
    return agent(world.text)


def _bare(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in {"type", "run_id"}}


def test_a_run_is_reported_once_and_changed(machine: Caller, world: World) -> None:
    body = _bare(run("r"))
    first = machine.send("POST", "/runs", body)
    assert (first.status_code, first.json()["status"]) == (201, "created")
    again = machine.send("POST", "/runs", body)
    assert (again.status_code, again.json()) == (200, {**first.json(), "status": "duplicate"})
    path = f"/runs/{first.json()['id']}"
    changed = machine.send("PATCH", path, {"status": "succeeded", "output_summary": "done"})
    assert (changed.status_code, changed.json()["status"]) == (200, "created")
    problem(machine.send("PATCH", path, {"status": "failed"}), 409, "report_conflict")
    seen = person(world.operator).get(path).json()
    assert (seen["status"], seen["output_summary"], seen["agent"]) == ("succeeded", "done", "job-applier")
    assert seen["flags"]


def test_a_step_and_its_usage_are_booked_once(machine: Caller, world: World) -> None:
    path = f"/runs/{machine.send('POST', '/runs', _bare(run('r'))).json()['id']}"
    body = _bare(step("s", "r"))
    for expected in (201, 200):
        assert machine.send("POST", f"{path}/steps", body).status_code == expected
    other = {**body, "name": "other"}
    problem(machine.send("POST", f"{path}/steps", other), 409, "report_conflict")
    usage = Usage.objects.get()
    assert usage.cost_nanousd
    assert usage.cost_nanousd > 0
    assert str(usage.run_id) in path
    reader = person(world.owner)
    listed = rows(reader.get(f"{path}/steps"))
    assert [each["name"] for each in listed] == ["draft"]
    assert "input" not in listed[0]
    assert reader.get(f"/usage/{usage.pk}").json()["cost_nanousd"] == usage.cost_nanousd


@pytest.mark.parametrize(("who", "status", "reads"), [
    ("owner", 200, True), ("operator", 200, False), ("auditor", 200, False), ("admin", 200, False),
    ("stranger", 404, False), ("reviewer", 404, False),
])  # fmt: skip
def test_a_steps_payload_is_the_owners_to_read_and_that_is_recorded(
    machine: Caller, world: World, who: str, status: int, reads: bool
) -> None:
    path = f"/runs/{machine.send('POST', '/runs', _bare(run('r'))).json()['id']}/steps"
    path += f"/{machine.send('POST', path, _bare(step('s', 'r'))).json()['id']}"
    answer = person(getattr(world, who)).get(path)
    assert answer.status_code == status
    if status == 200:
        assert (answer.json()["input"] is not None) == reads
        assert answer.json()["input_size"] > 0
    assert Entry.objects.filter(kind="payload.read").exists() == reads


def test_a_foreign_run_is_missing(machine: Caller, world: World) -> None:
    other = make_agent("other", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    _, text = make_key(other, by=world.admin, now=sql.now())
    foreign = agent(text).send("POST", "/runs", _bare(run("r"))).json()["id"]
    for path in (f"/runs/{foreign}", "/runs/00000000-0000-7000-8000-000000000000", "/runs/r"):
        problem(machine.send("PATCH", path, {"status": "failed"}), 404, "not_found")
        problem(machine.send("POST", f"{path}/steps", _bare(step("s", "r"))), 404, "not_found")


def test_a_batch_answers_every_item_for_itself(machine: Caller) -> None:
    now, ended = sql.now(), run("r", status="succeeded")
    items = [
        step("s", "r"),
        ended,
        ended,
        {**ended, "status": "failed"},
        run("old", started_at=(now - timedelta(days=40)).isoformat()),
        {**run("naive"), "started_at": "2026-11-24T10:00:00"},
        step("neg", "r", usage={"provider": "p", "model": "m", "input_uncached": -1, "output": 0}),
        {**run("u"), "surplus": 1},
        {"type": "thing"},
        "text",
        {**run("nul"), "task": "a\x00b"},
        {**step("sur", "r"), "input": {"x": "\ud800"}},
    ]
    answer = machine.send("POST", "/ingest", {"items": items})
    assert answer.status_code == 200, answer.content
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    assert [result["status"] for result in results] == ["created", "created", "duplicate", "conflict"] + ["invalid"] * 8
    found = [[(each["pointer"], each["code"]) for each in result["errors"]] for result in results]
    assert found[:4] == [[], [], [], []]
    assert [places[0][0] for places in found[4:]] == [
        "/started_at", "/started_at", "/usage/input_uncached", "/surplus", "/type", "", "/task", "/input/x",
    ]  # fmt: skip
    assert (Run.objects.count(), Step.objects.count()) == (1, 1)
    assert Entry.objects.filter(kind="run.ingested").count() == 1


def test_numbers_of_reports_need_no_canonical_form(machine: Caller) -> None:
    raw = b'{"n": 1.0, "m": 1e2, "large": 9007199254740993, "deep": ' + b"[" * 20 + b"]" * 20 + b"}"
    body = _bare(step("s", "r", input="INPUT"))
    path = f"/runs/{machine.send('POST', '/runs', _bare(run('r'))).json()['id']}/steps"
    text = str(body).replace("'", '"').replace('"INPUT"', raw.decode()).encode()
    assert machine.send("POST", path, raw=text).status_code == 201


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 40])
def test_numbers_that_cannot_be_kept_are_refused(machine: Caller, number: str) -> None:
    problem(machine.send("POST", "/ingest", raw=f'{{"items": [{number}]}}'.encode()), 422)


def test_a_batch_holds_at_most_500(machine: Caller) -> None:
    problem(machine.send("POST", "/ingest", {"items": [{}] * 501}), 413, "too_large")
    answer = machine.send("POST", "/ingest", {"items": [{}] * 500})
    assert {result["status"] for result in answer.json()["results"]} == {"invalid"}


@pytest.mark.parametrize(
    ("body", "pointer"), [({}, "/items"), ({"items": {}}, "/items"), ({"items": [], "a/b": 1}, "/a~1b"), ([], "")]
)
def test_a_batch_is_a_list_of_items(machine: Caller, body: Any, pointer: str) -> None:
    assert pointers(problem(machine.send("POST", "/ingest", body), 422))[0][0] == pointer
