"""Failures and runs: triage, the failure page, folding, comparing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.models import Entry
from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from controlplane.console.runs.folding import fold
from registry.authentication import authenticate
from runs.models import Failure, Run, Step
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene


def report(scene: Scene, name: str, *, failed: bool = True, steps: int = 1) -> Run:
    """Report a run with a wait and steps, the last of which fails."""
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    begin = scene.now - timedelta(hours=2)
    status: dict[str, Any] = {"status": "failed", "error": {"type": "E", "message": "boom"}} if failed else {
        "status": "succeeded"
    }  # fmt: skip
    items: list[dict[str, Any]] = [
        {"type": "run", "event_id": name, "trigger": {"source": "test"}, "started_at": begin.isoformat(),
         "ended_at": scene.now.isoformat(), **status},
        {"type": "step", "event_id": f"{name}-wait", "run_id": name, "name": "wait", "kind": "human",
         "started_at": begin.isoformat(), "duration_ms": 3_600_000, "status": "succeeded"},
    ]  # fmt: skip
    items += [
        {"type": "step", "event_id": f"{name}-{place}", "run_id": name, "name": "work", "kind": "tool",
         "started_at": (begin + timedelta(hours=1, seconds=place)).isoformat(), "duration_ms": 10, **status}
        for place in range(steps)
    ]  # fmt: skip
    for start in range(0, len(items), 400):
        gateway.ingest(principal=principal, items=items[start : start + 400])
    return Run.objects.get(event_id=name)


def test_folding_takes_waiting_out() -> None:
    at = [datetime(2026, 11, 23, 10, minute, tzinfo=UTC) for minute in range(60)]
    line = fold([(at[10], at[20]), (at[15], at[30]), (at[40], at[40])])
    assert line.gaps == ((at[10], at[30]),)
    assert [line.at(at[minute]) for minute in (5, 10, 25, 30, 50)] == [at[5], at[10], at[10], at[10], at[30]]


@pytest.mark.slow
def test_a_failure_is_handled_and_taken_back(scene: Scene, visit: Visit) -> None:
    report(scene, "one")
    failure, client = Failure.objects.get(), visit(scene.world.owner)
    listed = client.get(list_of(Failure)).content.decode()
    assert "cp-spark" in listed
    page = client.get(page_of(failure)).content.decode()
    for text in ("boom", "Began with v1", "By version", "Occurrences", "it began here", "one"):
        assert text in page, text
    assert client.post(page_of(failure, "assign"), {"assigned_to": scene.world.operator.pk}).status_code == 302
    assert client.post(page_of(failure, "assign"), {"assigned_to": scene.world.reviewer.pk}).status_code == 422
    assert client.post(page_of(failure, "assign"), {"assigned_to": ""}).status_code == 302
    assert client.post(page_of(failure, "mute"), {"until": "100"}).status_code == 302
    assert "until 101 occurrences" in client.get(page_of(failure)).content.decode()
    assert client.post(page_of(failure, "unmute")).status_code == 302
    assert client.post(page_of(failure, "mute"), {"until": "never"}).status_code == 422
    version = failure.first_version
    assert version is not None
    assert client.post(page_of(failure, "resolve"), {"version": version.pk}).status_code == 302
    assert "resolved in v1" in client.get(page_of(failure)).content.decode()
    assert client.post(page_of(failure, "resolve"), {"version": ""}).status_code == 409
    assert client.post(page_of(failure, "reopen")).status_code == 302
    kinds = set(Entry.objects.values_list("kind", flat=True))
    assert {"failure.assigned", "failure.muted", "failure.unmuted", "failure.resolved", "failure.open"} <= kinds


@pytest.mark.slow
@pytest.mark.parametrize("role", ["auditor", "reviewer", "stranger"])
def test_others_handle_no_failure(scene: Scene, visit: Visit, role: str) -> None:
    report(scene, "one")
    failure, client = Failure.objects.get(), visit(getattr(scene.world, role))
    for word in ("resolve", "mute", "unmute", "assign", "reopen"):
        assert client.post(page_of(failure, word), {"until": "7d"}).status_code in {403, 404}, word
    failure.refresh_from_db()
    assert (failure.state, failure.muted_until) == ("new", None)


@pytest.mark.slow
def test_tabs_of_failures_are_empty_and_full(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for tab in ("triage", "open", "muted", "resolved", "all"):
        assert client.get(list_of(Failure, f"show={tab}")).status_code == 200
    report(scene, "one")
    for tab in ("triage", "open", "all"):
        assert "boom" in client.get(list_of(Failure, f"show={tab}")).content.decode(), tab


@pytest.mark.slow
def test_a_run_opens_at_its_failure_folds_and_turns_pages(scene: Scene, visit: Visit) -> None:
    long, earlier = report(scene, "long", steps=501), report(scene, "earlier", failed=False)
    client = visit(scene.world.owner)
    page = client.get(page_of(long)).content.decode()
    for text in ("Go to the first failure", "Fold waiting", "?from=500", "Compare with another run"):
        assert text in page, text
    rest = client.get(f"{page_of(long)}?from=500").content.decode()
    assert rest.count('<tr id="step-') == 2
    assert "Show waiting in full" in client.get(f"{page_of(long)}?fold=1").content.decode()
    assert client.get(f"{page_of(long)}?from=junk&fold=2").status_code == 200
    assert page_of(earlier) in page


@pytest.mark.slow
def test_a_run_opens_on_the_page_of_its_first_failure(scene: Scene, visit: Visit) -> None:
    run = report(scene, "long", steps=510)
    steps = Step.objects.filter(run=run).in_order()
    Step.objects.filter(pk__in=[step.pk for step in steps[:505]]).update(status="succeeded")
    client, url = visit(scene.world.owner), page_of(run)
    first = steps[505]
    opened = client.get(url).content.decode()
    assert opened.count('<tr id="step-') == 11
    assert f'href="#step-{first.pk}"' in opened
    assert client.get(f"{url}?from=0").content.decode().count('<tr id="step-') == 500
    Step.objects.filter(run=run).update(status="succeeded")
    assert client.get(url).content.decode().count('<tr id="step-') == 500


@pytest.mark.slow
def test_two_runs_are_compared(scene: Scene, visit: Visit) -> None:
    bad, good = report(scene, "bad"), report(scene, "good", failed=False)
    client, url = visit(scene.world.owner), page_of(bad, "compare")
    page = client.get(f"{url}?other={good.pk}").content.decode()
    assert "ended otherwise" in page
    assert client.get(url).status_code == 200
    assert "No other run" in client.get(f"{url}?other={bad.pk}").content.decode()
    assert "No other run" in client.get(f"{url}?other=junk").content.decode()
    assert client.post(url).status_code == 405
    assert visit(scene.world.stranger).get(url).status_code == 404
