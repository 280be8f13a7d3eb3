"""The console in a real browser: two people and one edit, a pause, by mouse, by keyboard, on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from approvals.models import ApprovalRequest, Grant
from controlplane.console.admins import list_of, page_of
from controlplane.console.map import PAGES
from tests.browser import page, press
from tests.controlplane.console.people import log_in
from tests.controlplane.console.scene import BIDI, Scene, make_scene

pytestmark = pytest.mark.browser


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return make_scene()


def sideways(opened: Page) -> bool:
    """Say whether the page scrolls sideways."""
    return bool(opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_two_people_approve_an_edited_email(scene: Scene, live_server: LiveServer) -> None:
    request = scene.hold(BIDI)
    with page() as opened:
        log_in(opened, live_server, scene.world.reviewer)
        opened.goto(f"{live_server.url}/home/")
        opened.get_by_role("link", name=re.compile("^Review")).first.click()
        expect(opened.get_by_role("heading", name="Will be executed, byte for byte")).to_be_visible()
        expect(opened.locator(".cp-hidden").first).to_have_text("U+202E")

        opened.get_by_role("link", name="Edit…").click()
        window = opened.get_by_role("dialog")
        expect(window).to_be_visible()
        field = window.get_by_label("Payload")
        assert "\\u202e" in field.input_value()
        field.fill(field.input_value().replace("\\u202e", ""))
        window.get_by_role("button", name="Save new revision").click()
        expect(opened.get_by_role("heading", name="Changes r1 → r2, by talent-reviewer")).to_be_visible()
        expect(opened.get_by_text("You wrote revision 2; someone else must approve it.")).to_be_visible()

        log_in(opened, live_server, scene.world.second)
        opened.goto(f"{live_server.url}{page_of(request)}")
        assert opened.locator(".cp-hidden").count() >= 1  # in the diff only: what was taken out
        opened.get_by_role("link", name=re.compile("^Approve: email.send")).click()
        opened.get_by_role("dialog").get_by_role("button", name="Approve email.send").click()
        said = opened.locator("#messages")
        expect(said.get_by_text("Approved. job-applier may execute it once, within 15 minutes.")).to_be_visible()
    request.refresh_from_db()
    assert (request.state, request.revision) == ("approved", 2)
    assert Grant.objects.get(approval=request).state == "issued"


def test_a_dialog_that_was_opened_twice_is_not_filled_by_the_first_answer(
    scene: Scene, live_server: LiveServer
) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    with page() as opened:
        log_in(opened, live_server, scene.world.operator)
        opened.goto(f"{live_server.url}{page_of(scene.world.agent)}")
        opened.route(re.compile("/pause/$"), hold_the_first)
        opened.get_by_role("link", name="Pause job-applier…").focus()
        press(opened, "Enter")
        expect(opened.get_by_role("dialog")).to_be_visible()
        press(opened, "Escape")
        press(opened, "Enter")
        reason = opened.get_by_role("dialog").get_by_label("Reason")
        expect(reason).to_be_focused()
        opened.keyboard.type("Looks odd")
        with opened.expect_event("requestfinished"):
            held[0].continue_()
        # What is fetched after it is handled after it.
        opened.evaluate("fetch('/healthz').then((answer) => answer.text())")
        expect(reason).to_have_value("Looks odd")


def test_pausing_by_keyboard_denies_the_very_next_ask(scene: Scene, live_server: LiveServer) -> None:
    with page() as opened:
        log_in(opened, live_server, scene.world.operator)
        opened.goto(f"{live_server.url}{page_of(scene.world.agent)}")
        opened.get_by_role("link", name="Pause job-applier…").focus()
        press(opened, "Enter")
        window = opened.get_by_role("dialog")
        expect(window).to_be_visible()
        press(opened, "Escape")
        expect(window).to_be_hidden()
        press(opened, "Enter")
        expect(window.get_by_label("Reason")).to_be_focused()
        opened.keyboard.type("Looks odd")
        press(opened, "Tab")
        press(opened, "Enter")
        expect(opened.locator("#messages").get_by_text("job-applier is paused.")).to_be_visible()
        expect(opened.get_by_text("Paused: Looks odd")).to_be_visible()
    assert scene.submit().effect == "deny"


def test_approving_on_a_phone(scene: Scene, live_server: LiveServer) -> None:
    request = scene.hold("A subject that is rather long, so that it has to be wrapped somewhere on the way")
    with page(width=360, height=740) as opened:
        log_in(opened, live_server, scene.world.reviewer)
        assert not sideways(opened)
        opened.goto(f"{live_server.url}{list_of(ApprovalRequest)}")
        assert not sideways(opened)
        opened.get_by_role("link", name="email.send").click()
        assert not sideways(opened)
        button = opened.get_by_role("link", name=re.compile("^Approve: email.send"))
        expect(opened.get_by_role("heading", name="Will be executed, byte for byte")).to_be_visible()
        expect(button).to_be_hidden()  # the end of the bytes is below the screen
        opened.mouse.wheel(0, 4000)
        expect(button).to_be_visible()
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        button.click()
        opened.get_by_role("dialog").get_by_role("button", name="Approve email.send").click()
        expect(opened.locator("#messages").get_by_text("Approved.")).to_be_visible()
    request.refresh_from_db()
    assert request.state == "approved"


def test_no_list_complains_or_scrolls_sideways(scene: Scene, live_server: LiveServer) -> None:
    scene.budget()
    scene.hold()
    scene.submit()
    scene.spend(5)
    scene.roll_up()
    for width, dark in ((1440, False), (360, True)):
        with page(width=width, dark=dark) as opened:
            log_in(opened, live_server, scene.world.admin)
            opened.goto(f"{live_server.url}{page_of(scene.world.agent)}")
            assert not sideways(opened)
            for model in PAGES:
                opened.goto(f"{live_server.url}{list_of(model)}")
                assert not sideways(opened), model
                expect(opened.get_by_role("heading", level=1)).to_have_count(1)
