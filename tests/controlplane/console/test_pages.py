"""What single pages show: an empty installation, runs, money, and the frame around everything."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import unfold
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from audit.models import Entry
from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from controlplane.console.map import PAGES
from costs.models import Budget, Usage
from policies.models import Decision
from registry.authentication import authenticate
from registry.models import Agent, User
from runs.models import Failure, Run, Step
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import SCRIPT, Scene
from tests.world import make_admin, make_person

pytestmark = pytest.mark.slow

# Our copies replace these; when unfold changes them, ours must be looked at again.
REPLACED = {
    "admin/base.html": "2ce9250b3c649e3a1d3c7ea52308a2858c60374b76089c29a838c7cc870dbcf0",
    "unfold/helpers/app_list.html": "6ab83ac498b2f50ff045b7abcf2254391ccea9ded1f653c9f860f516d0be65b6",
    "unfold/helpers/command.html": "ae6ce324d85366131fc82945b3c35c1b980829229508343993e6adcbee4c975d",
    "unfold/helpers/messages.html": "9e37d808b5122af1bfcd97130465a1fd212904073787230cd67d584873560e79",
    "unfold/helpers/modal.html": "fa0832c6ded6a26b06ecc44499141e9e0c44cfea42a8665c6b786db175c4b416",
    "unfold/helpers/navigation.html": "fd819dae3473c0bea10a714a3f34bf223661df325b11071be1b9749178c9c843",
    "unfold/helpers/navigation_header.html": "35139b9d94580be975de34bc44253c52c0b4ed0669dc5d4902c13016f40f31e4",
    "unfold/helpers/navigation_user.html": "4c9ba58b3f215326703c699fff40b582b10125257f7357126531e2cd73785716",
    "unfold/helpers/search.html": "91996c27181d14ade8b4cbf84d90a4b0d293fdd92ae4325cda0f6889c29e28fb",
    "unfold/helpers/unauthenticated_title.html": "1913ea761a4f771606e28dc3341d6e044d15d48168b55a9ebe2096fb39c60cd1",
    "unfold/helpers/userlinks.html": "b493fa5ca3595d28c6858f789f303c1797c34107dc60b2857ab6ce8585fc3914",
    "unfold/helpers/welcomemsg.html": "e8eab02522ba2319b937086bbcb6bf2a2bbe1489d236ad90ff23edbe070a7d6b",
    "unfold/layouts/unauthenticated.html": "768501529f1a8dae820558f90c1ab782f0703a8504070678b390bc16c9c48cf3",
}


@pytest.mark.parametrize(("name", "digest"), REPLACED.items())
def test_replaced_templates_are_still_those_that_were_read(name: str, digest: str) -> None:
    theirs = Path(unfold.__file__).parent / "templates" / name
    assert hashlib.sha256(theirs.read_bytes()).hexdigest() == digest


def test_every_replaced_template_is_in_the_table() -> None:
    theirs, ours = (
        Path(unfold.__file__).parent / "templates",
        Path(str(settings.BASE_DIR)) / "controlplane" / "templates",
    )
    found = {str(path.relative_to(ours)) for path in ours.rglob("*.html")}
    assert {name for name in found if (theirs / name).exists()} == set(REPLACED)


def test_assets_are_small_and_their_own() -> None:
    sizes = {name: Path(str(finders.find(f"console/{name}"))) for name in ("console.css", "console.js")}
    assert sizes["console.css"].stat().st_size <= 20 * 1024
    assert sizes["console.js"].stat().st_size <= 12 * 1024
    assert all("http" not in path.read_text() for path in sizes.values())


def test_pages_carry_a_policy_without_inline_scripts(scene: Scene, visit: Visit) -> None:
    answer = visit(scene.world.admin).get(page_of(scene.world.agent))
    directives = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert directives["script-src"] == "'self' 'unsafe-eval'"
    shown = answer.content.decode()
    assert "<script>" not in shown
    assert "onclick=" not in shown
    assert 'href="http' not in shown.replace('href="http://testserver', "")


@pytest.mark.django_db
def test_an_empty_installation_says_what_to_do_next(visit: Visit) -> None:
    admin = make_admin()
    client = visit(admin)
    home = client.get("/").content.decode()
    assert "python3 manage.py demo" in home
    assert "Load the demonstration…" in home
    for model in set(PAGES) - {User}:
        answer = client.get(list_of(model))
        assert answer.status_code == 200, model
        assert "cp-empty" in answer.content.decode() or Entry is model, model
    owner = make_person("owner", "owner")
    assert "Load the demonstration…" not in visit(owner).get("/").content.decode()
    assert visit(owner).post("/demo/").status_code == 403
    assert not Agent.objects.exists()


@pytest.mark.django_db
def test_the_demonstration_is_loaded_from_the_empty_console(visit: Visit) -> None:
    client = visit(make_admin())
    assert "Load the demonstration?" in client.get("/demo/").content.decode()
    assert not Agent.objects.exists()
    answer = client.post("/demo/")
    assert answer.status_code == 200, answer.content.decode()
    assert "Copy this now: it is shown once" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert Agent.objects.filter(slug="demo-job-applier").exists()
    assert client.post("/demo/").status_code == 409
    assert "Load the demonstration…" not in client.get("/").content.decode()


def report(scene: Scene) -> Run:
    """Report a run of four steps that failed."""
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    began = scene.now - timedelta(minutes=8)
    run = {
        "type": "run", "event_id": "run-1", "trigger": {"source": "webhook"}, "task": SCRIPT,
        "started_at": began.isoformat(), "ended_at": (began + timedelta(minutes=4)).isoformat(), "status": "failed",
        "error": {"type": "SMTPError", "message": f"timeout {SCRIPT}"},
    }  # fmt: skip
    known = {"provider": "openai", "model": "gpt-4o", "input_uncached": 0, "output": 1000}
    unknown = {"provider": "x", "model": "mystery", "input_uncached": 5, "output": 5}
    facts: list[tuple[str, int, int, str, dict[str, Any]]] = [
        ("llm", 0, 9_800, "succeeded", {"usage": known, "input": {"q": "secret words"}}),
        ("llm", 20, 500, "succeeded", {"usage": unknown}),
        ("human", 30, 180_000, "succeeded", {}),
        ("tool", 225, 7_000, "failed", {"error": {"type": "SMTPError", "message": "timeout"}}),
    ]
    steps = [
        {
            "type": "step",
            "event_id": f"s{number}",
            "run_id": "run-1",
            "name": f"step {number}",
            "kind": kind,
            "started_at": (began + timedelta(seconds=after)).isoformat(),
            "duration_ms": lasted,
            "status": status,
            **more,
        }
        for number, (kind, after, lasted, status, more) in enumerate(facts)
    ]
    gateway.ingest(principal=principal, items=[run, *steps])
    return Run.objects.get(event_id="run-1")


def test_a_run_shows_where_time_and_money_went(scene: Scene, visit: Visit) -> None:
    run = report(scene)
    shown = visit(scene.world.operator).get(page_of(run)).content.decode()
    assert "4 min, 3 min waiting for people" in shown
    assert "$0.01 + 1 unpriced" in shown
    assert "cp-waits" in shown
    assert "cp-failed" in shown
    assert SCRIPT not in shown
    assert page_of(Failure.objects.get(step_name="step 3")) is not None
    assert "secret words" not in shown
    assert "hidden" in shown


def test_a_steps_payload_is_for_its_owner_and_for_an_administrator_with_a_reason(scene: Scene, visit: Visit) -> None:
    run = report(scene)
    url = f"{page_of(run, 'step')}?step={Step.objects.get(event_id='s0').pk}"
    assert visit(scene.world.operator).get(url).status_code == 403
    assert "secret words" in visit(scene.world.owner).get(url).content.decode()
    assert Entry.objects.filter(kind="payload.read").count() == 1
    admin = visit(scene.world.admin)
    assert "secret words" not in admin.get(url).content.decode()
    assert admin.post(url, {"reason": ""}).status_code == 422
    assert "secret words" in admin.post(url, {"reason": "A complaint"}).content.decode()
    assert Entry.objects.filter(kind="payload.break_glass").count() == 1
    assert admin.get(f"{page_of(run, 'step')}?step=nothing").status_code == 404


def test_failures_are_counted_on_home_and_handled(scene: Scene, visit: Visit) -> None:
    report(scene)
    client = visit(scene.world.operator)
    home = client.get("/").content.decode()
    url = list_of(Run, "show=failed&amp;since=24h")
    assert f'<a href="{url}">1</a>' in home
    assert page_of(Run.objects.get()) in client.get(url.replace("&amp;", "&")).content.decode()
    failure = Failure.objects.order_by("first_seen")[0]
    assert page_of(failure) in client.get(list_of(Failure)).content.decode()
    for word, state in (("resolve", "resolved"), ("reopen", "open")):
        assert client.post(page_of(failure, word)).status_code == 302
        failure.refresh_from_db()
        assert failure.state == state
    assert client.post(page_of(failure, "mute"), {"until": "7d"}).status_code == 302
    assert page_of(failure) in client.get(list_of(Failure), {"show": "muted"}).content.decode()
    assert visit(scene.world.auditor).post(page_of(failure, "resolve")).status_code == 403


def test_home_links_every_number_to_the_rows_it_counts(scene: Scene, visit: Visit) -> None:
    scene.submit()
    scene.submit("https://elsewhere.example/x")
    scene.hold()
    client = visit(scene.world.operator)
    home = client.get("/").content.decode()
    for effect in ("allow", "deny", "review"):
        url = list_of(Decision, f"since=24h&dry_run__exact=0&effect__exact={effect}")
        assert url.replace("&", "&amp;") in home
        shown = client.get(url).content.decode()
        assert shown.count('<td class="field-asked') + shown.count('<th class="field-asked') == 1, effect
    assert list_of(Agent, "state__exact=active") in home


def test_money_is_shown_as_it_is(scene: Scene, visit: Visit) -> None:
    scene.budget(limit_usd="1.00", per="day", at_limit="alert")
    scene.spend(41)
    scene.spend(0, model="mystery-model", output=55)
    scene.roll_up()
    client = visit(scene.world.operator)
    shown = client.get(list_of(Budget)).content.decode()
    assert "$0.41 + 1 unpriced" in shown
    assert "41 % of the limit spent" in shown
    calls = client.get(list_of(Usage)).content.decode()
    assert calls.count(">unpriced<") == 1
    assert "$0.00" not in calls
    one = client.get(page_of(Budget.objects.get())).content.decode()
    assert "$0.59" in one


def test_a_decision_says_why_and_who_can_change_it(scene: Scene, visit: Visit) -> None:
    decision = scene.submit("https://jobs.example.com.evil.test/x")
    shown = visit(scene.world.operator).get(page_of(decision)).content.decode()
    assert "No rule permits form.submit to https://jobs.example.com.evil.test/x." in shown
    assert "whoever may publish the policy" in shown
    assert "policies r1" in shown


def test_foreign_text_is_escaped_in_lists(scene: Scene, visit: Visit) -> None:
    report(scene)
    scene.submit()
    for model in (Run, Failure, Decision, Entry):
        shown = visit(scene.world.admin).get(list_of(model)).content.decode()
        assert SCRIPT not in shown, model


def test_errors_have_pages_of_their_own(scene: Scene, visit: Visit) -> None:
    client: Client = visit(scene.world.reviewer)
    assert "it is not yours to see" in client.get("/registry/agent/1/").content.decode()
    assert "Your role does not have this page" in client.get(list_of(Agent)).content.decode()
