"""Runs and failures by single keys, and undo, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from approvals.models import ApprovalRequest
from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from registry.models import Agent, User
from registry.operations import set_shortcuts
from runs.models import Failure, Run, Step
from tests.browser import page, picture, press
from tests.controlplane.console.axe import violations
from tests.controlplane.console.people import log_in
from tests.controlplane.console.scene import Scene, make_scene
from tests.controlplane.console.test_failure_pages import report

pytestmark = pytest.mark.browser


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return make_scene()


def go(opened: Page, server: LiveServer, url: str, who: User | None = None) -> None:
    if who is not None:
        log_in(opened, server, who)
    opened.goto(f"{server.url}{url}")


def test_a_run_opens_at_its_failure_and_is_walked_by_keys(scene: Scene, live_server: LiveServer) -> None:
    earlier, run = report(scene, "earlier", failed=False, steps=60), report(scene, "run", steps=3)
    Run.objects.filter(pk=earlier.pk).update(started_at=run.started_at - timedelta(hours=1))
    failing = [f"#step-{step.pk}" for step in Step.objects.filter(run=run, name="work").in_order()]
    with page(height=420) as opened:
        go(opened, live_server, page_of(run), scene.world.operator)
        expect(opened.locator(failing[0])).to_be_focused()
        expect(opened.locator(failing[0])).to_be_in_viewport()
        picture(opened, "run-opens-at-its-failure")
        for place in (failing[1], failing[2], failing[0]):
            press(opened, "n")
            expect(opened.locator(place)).to_be_focused()
        expect(opened.locator("#cp-live")).to_have_text("Failed step 1 of 3")
        press(opened, "f")
        expect(opened).to_have_url(re.compile(r"\?fold=1$"))
        expect(opened.get_by_role("link", name="Show waiting in full")).to_be_attached()
        press(opened, "f")
        expect(opened).to_have_url(f"{live_server.url}{page_of(run)}")
        press(opened, "c")
        expect(opened.get_by_role("heading", name="Compare runs")).to_be_visible()
        opened.go_back()
        press(opened, "[")
        expect(opened).to_have_url(f"{live_server.url}{page_of(earlier)}")
        press(opened, "n")
        expect(opened.locator("#cp-live")).to_have_text("No step on this page failed.")
        press(opened, "]")
        expect(opened).to_have_url(f"{live_server.url}{page_of(run)}")
        press(opened, "?")
        for words in ("next error, fold waiting, compare", "resolve, mute, assign", "Undo, for ten seconds"):
            expect(opened.locator("#cp-keys")).to_contain_text(words)
        picture(opened, "map-of-keys")
        press(opened, "Escape")
        press(opened, "/")
        press(opened, "Control+k")
        opened.keyboard.type("nfc[]")
        expect(opened.locator("#cp-term")).to_have_value("nfc[]")
        expect(opened).to_have_url(f"{live_server.url}{page_of(run)}")


def test_failures_are_handled_and_taken_back_by_keys(scene: Scene, live_server: LiveServer) -> None:
    report(scene, "one")
    failure = Failure.objects.get()
    with page() as opened:
        go(opened, live_server, list_of(Failure), scene.world.operator)
        press(opened, "m")
        expect(opened.locator("#cp-window")).to_have_count(0)  # no row is picked yet
        for key, words in (("m", "Mute"), ("s", "Assign"), ("r", "Resolve")):
            go(opened, live_server, list_of(Failure))
            press(opened, "j")
            press(opened, key)
            window = opened.get_by_role("dialog", name=re.compile(words))
            expect(window).to_be_visible()
            window.get_by_role("button", name=f"{words} it").press("Enter")
            expect(opened).to_have_url(f"{live_server.url}{page_of(failure)}")
            expect(opened.locator("#messages").get_by_role("button", name="Undo")).to_be_visible()
            picture(opened, f"undo-{words.lower()}")
            press(opened, "z")
            expect(opened.locator("#messages")).to_contain_text("Undone: the failure is as it was before.")
            expect(opened.locator("#cp-live")).to_contain_text("Undone")
        for key, words in (("r", "Resolve"), ("m", "Mute"), ("s", "Assign")):
            press(opened, key)
            expect(opened.get_by_role("dialog", name=re.compile(words))).to_be_visible()
            press(opened, "Escape")
            expect(opened.get_by_role("dialog")).to_be_hidden()
            expect(opened.locator("select:focus")).to_have_count(0)
    failure.refresh_from_db()
    assert (failure.state, failure.muted_until, failure.resolved_at) == ("new", None, None)
    assert Entry.objects.filter(kind="failure.undone").count() == 3


def test_the_button_goes_when_its_time_is_over(scene: Scene, live_server: LiveServer) -> None:
    with page(width=360, height=740) as opened:
        opened.clock.install()
        go(opened, live_server, page_of(scene.world.agent), scene.world.operator)
        opened.get_by_role("link", name="Pause job-applier…").click()
        window = opened.get_by_role("dialog")
        window.get_by_label("Reason").fill("Looks odd")
        window.get_by_role("button", name="Pause job-applier").click()
        undo = opened.locator("#messages").get_by_role("button", name="Undo")
        expect(undo).to_be_visible()
        picture(opened, "undo-on-a-phone")
        assert violations(opened) == []
        assert not opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        opened.clock.run_for(10_100)
        expect(undo).to_have_count(0)
    assert Agent.objects.get(pk=scene.world.agent.pk).state == "paused"


def test_keys_do_nothing_for_whoever_turned_them_off(scene: Scene, live_server: LiveServer) -> None:
    run = report(scene, "run", steps=2)
    set_shortcuts(on=False, by=scene.world.operator, now=scene.now)
    with page() as opened:
        go(opened, live_server, page_of(run), scene.world.operator)
        first = opened.locator("tr[data-wrong]").first
        expect(first).to_be_focused()
        for key in "nfc[]":
            press(opened, key)
        expect(first).to_be_focused()
        expect(opened).to_have_url(f"{live_server.url}{page_of(run)}")


def test_the_last_minutes_of_a_deadline_are_counted_and_digests_light_their_twins(
    scene: Scene, live_server: LiveServer
) -> None:
    request = scene.hold()
    soon = timezone.now() + timedelta(minutes=4, seconds=30)
    ApprovalRequest.objects.filter(pk=request.pk).update(expires_at=soon)
    with page() as opened:
        go(opened, live_server, page_of(request), scene.world.reviewer)
        expect(opened.locator("time[data-deadline]").first).to_have_text(re.compile(r"^in [34] min \d+ s$"))
        digests = opened.locator("[data-digest]")
        expect(digests.nth(1)).to_be_attached()
        digests.first.hover()
        expect(digests.nth(1)).to_have_class(re.compile("cp-twin"))
        opened.get_by_role("heading", level=1).hover()
        expect(digests.nth(1)).not_to_have_class(re.compile("cp-twin"))


def test_a_decision_prints_as_a_page_of_evidence(scene: Scene, live_server: LiveServer) -> None:
    decision = scene.submit()
    with page(dark=True, width=800) as opened:
        go(opened, live_server, page_of(decision), scene.world.operator)
        opened.emulate_media(media="print")
        for hidden in ("#nav-sidebar", ".cp-menu", ".cp-actions"):
            expect(opened.locator(hidden).first).to_be_hidden()
        digest = opened.locator("[data-digest]")
        expect(digest).to_be_visible()
        assert digest.evaluate("each => getComputedStyle(each.closest('dd')).color") == "rgb(0, 0, 0)"
        picture(opened, "decision-printed")
