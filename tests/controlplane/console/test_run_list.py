"""The list of runs: what each one cost and waited, and the filters by model and failure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from controlplane.console.runs.sums import RunSums, sums_of
from registry.authentication import authenticate
from runs.models import Failure, Run, Step
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import BIDI, Scene
from tests.controlplane.console.test_pages import report

pytestmark = pytest.mark.slow


def tell(scene: Scene, name: str, *steps: dict[str, Any]) -> Run:
    """Report a run that succeeded, of these steps."""
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    began = (scene.now - timedelta(minutes=2)).isoformat()
    run = {
        "type": "run", "event_id": name, "trigger": {"source": "schedule"}, "task": name, "started_at": began,
        "ended_at": began, "status": "succeeded",
    }  # fmt: skip
    usual = {"type": "step", "run_id": name, "name": "step", "status": "succeeded", "started_at": began}
    items = [{**usual, "event_id": f"{name}-{number}", "duration_ms": 5, **step} for number, step in enumerate(steps)]
    gateway.ingest(principal=principal, items=[run, *items])
    assert Step.objects.filter(run__event_id=name).count() == len(steps)
    return Run.objects.get(event_id=name, status="succeeded")


def listed(client: Client, query: str = "") -> str:
    answer = client.get(list_of(Run, query))
    assert answer.status_code == 200, query
    return answer.content.decode()


def test_a_run_shows_version_tokens_cost_and_waiting(scene: Scene, visit: Visit) -> None:
    run = report(scene)
    assert run.version is not None
    shown = listed(visit(scene.world.operator))
    for cell in (f'<a href="{page_of(run.version)}">v1</a>', "4 min (3 min)", ">1,010<", "$0.01 + 1 unpriced"):
        assert cell in shown, cell


def test_what_called_no_model_and_waited_for_nobody_has_no_figures(scene: Scene) -> None:
    run, other = tell(scene, "plain", {"kind": "tool", "duration_ms": 5}), report(scene)
    assert sums_of([run.pk]) == {run.pk: RunSums()}
    assert sums_of([]) == {}
    assert sums_of([run.pk, other.pk])[other.pk] == RunSums(2, 1, 1_010, 10_000_000, timedelta(minutes=3))


def test_no_duration_that_an_agent_tells_makes_a_page_fail(scene: Scene, visit: Visit) -> None:
    longest = [{"kind": "human", "duration_ms": 2**53 - 1} for _ in range(12)]
    run = tell(scene, "endless", *longest)
    client = visit(scene.world.operator)
    assert "365,000 d" in listed(client).replace("365000 d", "365,000 d")
    assert client.get(page_of(run)).status_code == 200
    assert client.get(f"{page_of(run)}?fold=1").status_code == 200


def test_runs_are_filtered_by_the_model_that_they_called(scene: Scene, visit: Visit) -> None:
    usage = {"provider": "openai", "model": "gpt-4o-mini", "input_uncached": 1, "output": 1}
    ours, other = tell(scene, "small", {"kind": "llm", "usage": usage}), report(scene)
    scene.roll_up()
    client = visit(scene.world.operator)
    assert "model=gpt-4o-mini" in listed(client)
    for model, run, without in (("gpt-4o-mini", ours, other), ("mystery", other, ours)):
        shown = listed(client, f"model={model}")
        assert (page_of(run) in shown, page_of(without) in shown) == (True, False), model
    assert page_of(ours) not in listed(client, "model=nobody-called-it")
    assert "gpt-4o-mini" not in listed(visit(scene.world.stranger))


def test_runs_are_filtered_by_the_failure_that_they_or_their_steps_met(scene: Scene, visit: Visit) -> None:
    run, plain = report(scene), tell(scene, "plain", {"kind": "tool"})
    client = visit(scene.world.operator)
    failures = list(Failure.objects.order_by("step_name"))
    assert [failure.step_name for failure in failures] == ["", "step 3"]
    for failure in failures:
        url = f"failure={failure.pk}"
        assert url in listed(client)
        assert list_of(Run, url) in client.get(page_of(failure)).content.decode()
        shown = listed(client, url)
        assert (page_of(run) in shown, page_of(plain) in shown) == (True, False), failure
    assert page_of(run) not in listed(client, "failure=none")


def test_a_failure_that_is_not_theirs_is_not_named(scene: Scene, visit: Visit) -> None:
    report(scene)
    failure = Failure.objects.order_by("pk")[0]
    shown = listed(visit(scene.world.stranger), f"failure={failure.pk}")
    assert "SMTPError" not in shown


def test_hidden_characters_of_an_agents_words_are_boxed_in_filters_too(scene: Scene, visit: Visit) -> None:
    usage = {"provider": "openai", "model": f"model {BIDI}", "input_uncached": 1, "output": 1}
    failing = {"kind": "tool", "status": "failed", "error": {"type": f"Odd {BIDI}", "message": "no"}}
    tell(scene, "odd", {"kind": "llm", "usage": usage}, failing)
    scene.roll_up()
    failure = Failure.objects.get()
    client = visit(scene.world.operator)
    for query in ("", f"failure={failure.pk}"):
        shown = listed(client, query)
        assert "U+202E" in shown, query
        assert "\u202e" not in shown, query
