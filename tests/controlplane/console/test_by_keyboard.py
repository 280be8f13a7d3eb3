"""The console by keyboard alone, enlarged, and on a phone, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from approvals.models import ApprovalRequest
from controlplane.console.admins import list_of, page_of
from registry.models import KillSwitch
from registry.operations import set_shortcuts
from runs.models import Failure, Run
from tests.browser import page, press
from tests.controlplane.console.crowd import multiply
from tests.controlplane.console.everywhere import places
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.people import log_in
from tests.controlplane.console.scene import Scene

pytestmark = pytest.mark.browser


@pytest.fixture
def full(transactional_db: None) -> Scene:
    return make_full_scene()


def go(opened: Page, server: LiveServer, url: str) -> None:
    opened.goto(f"{server.url}{url}")


def ends_with(url: str) -> re.Pattern[str]:
    return re.compile(re.escape(url) + "$")


def test_the_whole_console_by_single_keys_and_the_palette(full: Scene, live_server: LiveServer) -> None:
    multiply(Run, 3)
    with page() as opened:
        log_in(opened, live_server, full.world.admin)
        for key, url in (
            ("a", list_of(ApprovalRequest)),
            ("f", list_of(Failure)),
            ("r", list_of(Run)),
            ("h", "/home/"),
        ):
            press(opened, "g")
            press(opened, key)
            expect(opened).to_have_url(f"{live_server.url}{url}")

        go(opened, live_server, f"{list_of(Run)}?show=failed")
        press(opened, "j")
        press(opened, "j")
        second = opened.locator(".cp-list tbody tr").nth(1)
        expect(second).to_have_class(re.compile("cp-at"))
        press(opened, "x")
        expect(second).to_have_class(re.compile("cp-picked"))
        expect(opened.locator("#cp-live")).to_have_text("1 picked")
        press(opened, "Enter")
        expect(opened).to_have_url(re.compile(r"/runs/run/[0-9a-f-]+/"))
        # The way up leads to the list as it was, and Back to the row that was opened.
        expect(opened.locator(".cp-up")).to_have_attribute("href", ends_with(f"{list_of(Run)}?show=failed"))
        opened.go_back()
        expect(opened).to_have_url(ends_with("?show=failed"))
        expect(opened.locator(".cp-list tbody tr").nth(1)).to_have_class(re.compile("cp-at"))

        press(opened, "/")
        expect(opened.locator("#searchbar")).to_be_focused()
        opened.keyboard.type("?jgh")
        expect(opened.locator("#searchbar")).to_have_value("?jgh")
        expect(opened.locator("#cp-keys")).to_be_hidden()
        press(opened, "Control+k")
        expect(opened.locator("#cp-term")).to_be_focused()
        opened.keyboard.type("job-app")
        hit = opened.locator("#cp-hits").get_by_role("link", name="job-applier").first
        expect(hit).to_be_visible()
        press(opened, "ArrowDown")
        expect(hit).to_be_focused()
        press(opened, "Enter")
        expect(opened).to_have_url(f"{live_server.url}{page_of(full.world.agent)}")

        time = opened.locator("main time").first
        relative = time.text_content()
        press(opened, "t")
        expect(time).to_have_text(re.compile("UTC"))
        opened.reload()
        expect(opened.locator("main time").first).to_have_text(re.compile("UTC"))
        press(opened, "t")
        expect(opened.locator("main time").first).not_to_have_text(re.compile("UTC$"))
        assert relative
        press(opened, "?")
        expect(opened.locator("#cp-keys")).to_be_visible()
        press(opened, "Escape")
        dark = opened.locator("html.dark")
        expect(dark).to_have_count(0)
        press(opened, "Control+e")
        press(opened, "Control+e")
        expect(opened.locator("html")).to_have_class(re.compile("dark|light"))


def test_single_keys_are_silent_for_whoever_turned_them_off(full: Scene, live_server: LiveServer) -> None:
    set_shortcuts(on=False, by=full.world.admin, now=full.now)
    with page() as opened:
        log_in(opened, live_server, full.world.admin)
        go(opened, live_server, list_of(Run))
        for key in ("?", "j", "/", "g", "h"):
            press(opened, key)
        expect(opened.locator("#cp-keys")).to_be_hidden()
        expect(opened.locator("tr.cp-at")).to_have_count(0)
        expect(opened).to_have_url(f"{live_server.url}{list_of(Run)}")
        press(opened, "Control+k")
        expect(opened.locator("#cp-palette")).to_be_visible()


def test_a_dialog_takes_the_focus_keeps_it_and_gives_it_back(full: Scene, live_server: LiveServer) -> None:
    with page() as opened:
        log_in(opened, live_server, full.world.admin)
        press(opened, "Tab")
        expect(opened.get_by_role("link", name="Skip to content")).to_be_focused()
        press(opened, "Enter")
        expect(opened.locator("#content")).to_be_focused()
        button = opened.get_by_role("link", name="Pause everything…")
        button.focus()
        press(opened, "Enter")
        window = opened.get_by_role("dialog", name="Pause everything?")
        expect(window.get_by_label("Reason")).to_be_focused()
        for _ in range(8):
            press(opened, "Tab")
            assert opened.evaluate(
                "document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
            )
        press(opened, "Escape")
        expect(window).to_be_hidden()
        expect(button).to_be_focused()
        press(opened, "Enter")
        expect(window.get_by_label("Reason")).to_be_focused()
        opened.keyboard.type("A drill")
        press(opened, "Tab")
        opened.keyboard.type("pause everything")
        press(opened, "Enter")
        expect(opened.get_by_text("Everything is paused", exact=False).first).to_be_visible()
        expect(opened.locator("#cp-live")).to_contain_text("Everything is paused.")
    assert KillSwitch.objects.in_force().filter(scope="all").count() == 1


def test_what_cannot_be_loaded_says_so_in_place_and_is_tried_again(full: Scene, live_server: LiveServer) -> None:
    with page(errors_expected=True) as opened:
        log_in(opened, live_server, full.world.admin)
        broken = {"now": True}
        opened.route(
            "**/pause-everything/",
            lambda route: (
                route.fulfill(
                    status=500, content_type="text/html", body="<!DOCTYPE html>", headers={"X-Request-ID": "7f3a"}
                )
                if broken["now"]
                else route.continue_()
            ),
        )
        opened.get_by_role("link", name="Pause everything…").click()
        window = opened.locator("#cp-window")
        expect(window).to_contain_text("Couldn't load this.")
        expect(window).to_contain_text("request 7f3a")
        broken["now"] = False
        window.get_by_role("button", name="Retry").click()
        expect(window.get_by_label("Reason")).to_be_visible()


def test_nothing_is_lost_at_twice_the_size(full: Scene, live_server: LiveServer) -> None:
    """A window of 1280 pixels at 200 % is one of 640: every page is read without scrolling sideways."""
    with page(width=640, height=450, errors_expected=True) as opened:
        log_in(opened, live_server, full.world.admin)
        wide = []
        for place in places():
            if place.name.endswith(("_changelist", "_change")) or place.name == "admin:home":
                go(opened, live_server, place.url)
                if opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    wide.append(place.name)
        assert wide == []
        go(opened, live_server, list_of(Run))
        opened.get_by_role("button", name="Show or hide the navigation").click()
        expect(opened.get_by_role("navigation", name="Console").get_by_role("link", name="Audit")).to_be_visible()


def test_new_rows_are_announced_and_shown_when_asked_for(full: Scene, live_server: LiveServer) -> None:
    with page() as opened:
        opened.clock.install()
        log_in(opened, live_server, full.world.admin)
        go(opened, live_server, list_of(Run))
        expect(opened.locator(".cp-list tbody tr")).to_have_count(1)
        multiply(Run, 2, lambda place, copy: setattr(copy, "started_at", full.now))
        opened.clock.run_for(31_000)
        expect(opened.locator(".cp-new a")).to_have_text("2 new")
        expect(opened.locator("#cp-live")).to_have_text("2 new")
        expect(opened.locator(".cp-list tbody tr")).to_have_count(1)
        press(opened, ".")
        expect(opened.locator(".cp-list tbody tr")).to_have_count(3)
