"""The policy editor in a real browser: a rule by its form, a sentence as one types, a test turns green."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from controlplane.console.admins import list_of, page_of
from policies.models import Revision
from policies.operations import save_draft
from tests.browser import page, picture
from tests.controlplane.console.axe import violations
from tests.controlplane.console.people import log_in
from tests.controlplane.console.scene import POLICIES, make_scene

pytestmark = pytest.mark.browser

TESTED = {
    "action": {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/x"}},
    "at": "2026-11-23T10:00:00+01:00",
    "expect": "review",
}


def draft() -> tuple[str, Revision]:
    scene = make_scene()
    policy = POLICIES["job-applications"]
    document = {"job-applications": {**policy, "tests": [*policy["tests"], TESTED]}}
    return page_of(save_draft(policies=document, by=scene.world.admin, now=scene.now), "edit"), Revision.objects.get(
        state="draft"
    )


def test_a_rule_by_mouse_and_keys(transactional_db: None, live_server: LiveServer) -> None:
    url, row = draft()
    with page() as opened:
        log_in(opened, live_server, row.author)
        opened.goto(f"{live_server.url}{url}", wait_until="load")
        expect(opened.get_by_role("status").filter(has_text="Tests:")).to_contain_text("1 passed, ✕ 1 failed")
        opened.get_by_role("button", name="Ask people first").click()
        expect(opened.locator("#f-name")).to_be_focused()
        opened.locator("#f-verb").press_sequentially("form.")
        opened.locator("#f-verb").press_sequentially("submit")
        began = time.monotonic()
        opened.get_by_text("May form.submit after every queue that takes it approves.").first.wait_for()
        # On an idle machine under 500 ms, as promised; here other tests may have the processor.
        print(f"the sentence followed the last key within {1000 * (time.monotonic() - began):.0f} ms")
        expect(opened.locator("#f-verb")).to_be_focused()
        expect(opened.locator("#f-verb")).to_have_value("form.submit")
        opened.select_option("#f-queue", "outreach")
        expect(opened.get_by_role("status").filter(has_text="Tests:")).to_contain_text("2 passed, ✕ 0 failed")
        written = re.compile("name: review-1, verb: form.submit, queue: outreach")
        expect(opened.locator("[name=document]")).to_have_value(written)
        # What is wrong stands at its field, and goes away with it.
        opened.fill("#f-batch", "many")
        expect(opened.locator("#error-batch")).not_to_be_empty()
        opened.fill("#f-batch", "30")
        expect(opened.locator("#error-batch")).to_be_empty()
        opened.locator("#f-batch").press("Enter")
        expect(opened.locator("#sheet")).to_be_empty()
        # The other way round: the text is written, and the sentences follow.
        text = opened.input_value("[name=document]")
        opened.fill("[name=document]", text.replace("units: 200", "units: 123"))
        opened.get_by_text("At most 123 units of form.submit").first.wait_for()
        opened.fill("[name=document]", text + "  - [")
        opened.locator("#defects").get_by_text(re.compile("^Line ")).first.wait_for()
        opened.fill("[name=document]", text)
        opened.get_by_text("✓ It can be read.").wait_for()
        picture(opened, "policy-editor")
        opened.get_by_role("button", name="Save the draft").click()
        opened.get_by_role("link", name=re.compile("^Publish r2")).click()
        window = opened.get_by_role("dialog")
        window.get_by_label("Reason").fill("Forms are asked for")
        window.get_by_role("button", name="Publish r2").click()
        opened.get_by_text("r2 is in force.").first.wait_for()
    live = Revision.objects.get(state="published")
    assert live.document["job-applications"]["rules"][-1]["review"]["queue"] == "outreach"


def test_by_keys_alone_and_without_a_script(transactional_db: None, live_server: LiveServer) -> None:
    url, row = draft()
    with page() as opened:
        log_in(opened, live_server, row.author)
        opened.route("**/htmx*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        opened.route("**/console/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        opened.goto(f"{live_server.url}{url}", wait_until="load")
        opened.locator("#p1-r3").press("Enter")
        opened.fill("#f-units", "77")
        opened.locator("#f-units").press("Enter")
        opened.get_by_text("At most 77 units").first.wait_for()
        opened.get_by_role("button", name="Save the draft").press("Enter")
        opened.wait_for_url(re.compile(rf"{list_of(Revision)}\d+/$"))
    row.refresh_from_db()
    assert row.document["job-applications"]["rules"][2]["limit"]["units"] == 77


def faults(opened: Page, name: str) -> list[str]:
    found = []
    for theme, width in (("light", 1440), ("dark", 360)):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.evaluate("theme => Alpine.$data(document.documentElement).switchTheme(theme)", theme)
        opened.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found += [f"{name} ({theme}, {width} px) {fault}" for fault in violations(opened)]
        if opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{name} ({theme}, {width} px) scrolls sideways")
    return found


def test_axe_finds_nothing_in_the_forms(transactional_db: None, live_server: LiveServer) -> None:
    url, row = draft()
    with page() as opened:
        log_in(opened, live_server, row.author)
        opened.goto(f"{live_server.url}{url}", wait_until="load")
        found = faults(opened, "editor")
        opened.get_by_role("button", name="Opening hours").click()
        # A form takes the focus a moment after it shows; what is typed before goes astray.
        expect(opened.locator("#f-name")).to_be_focused()
        opened.fill("#f-zone", "Nowhere")
        expect(opened.locator("#error-zone")).not_to_be_empty()
        found += faults(opened, "hours with a defect")
        opened.locator("#close").click()
        expect(opened.locator("#sheet")).to_be_empty()
        opened.get_by_role("button", name="Add a test").click()
        opened.locator("#f-verb").wait_for()
        found += faults(opened, "test")
    assert not found, "\n".join(found)
