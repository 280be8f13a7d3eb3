"""Policies, decisions, approvals, costs and the trail in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from approvals.models import ApprovalRequest, KnownDestination
from approvals.models.afterwards import digest_of
from audit.models import Entry
from audit.operations import seal
from controlplane.console.admins import list_of, page_of
from costs.models import Budget, ModelPrice
from policies.models import Revision
from policies.operations import save_draft
from registry.models import User
from tests.browser import page, press
from tests.controlplane.console.scene import BIDI, POLICIES, Scene, make_scene
from tests.controlplane.console.test_in_browser import sideways
from tests.controlplane.console.test_reviewing import queue as set_queue
from tests.world import PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return make_scene()


def log_in(opened: Page, server: LiveServer, user: User) -> None:
    """Log in through the form, wherever the person lands."""
    opened.context.clear_cookies()
    opened.goto(f"{server.url}/login/")
    opened.fill("input[name=username]", user.username)
    opened.fill("input[name=password]", PASSWORD)
    press(opened, "Enter")
    expect(opened).not_to_have_url(re.compile("/login/"))


def know(scene: Scene, destination: str) -> None:
    """Let the agent know a destination."""
    KnownDestination.objects.create(
        agent=scene.world.agent, destination=destination, digest=digest_of(destination), first_at=scene.now
    )


def test_the_button_for_several_leads_to_their_page(scene: Scene, live_server: LiveServer) -> None:
    set_queue(scene, bulk_limit=3)
    rows = [scene.hold(), scene.hold()]
    with page() as opened:
        log_in(opened, live_server, scene.world.reviewer)
        opened.goto(f"{live_server.url}{page_of(rows[0])}")
        opened.get_by_role("link", name="Approve up to 2 alike…").click()
        expect(opened).to_have_url(re.compile("/do/bulk/"))
        opened.locator("[data-end]").scroll_into_view_if_needed()
        opened.mouse.wheel(0, 4000)
        opened.get_by_role("button", name="Approve what is ticked").click()
        expect(opened.get_by_text("2 approvals of 2 counted.").first).to_be_visible()


def test_no_vote_before_the_end_of_the_bytes_was_seen(scene: Scene, live_server: LiveServer) -> None:
    know(scene, "email:jane@acme.com")
    lines = [f"Paragraph {number}" for number in range(120)]
    request = scene.hold(BIDI, to=("jane@acme.com", "j.doe@acrne.com"))
    answer = scene.ask(verb="email.send", payload={"to": ["jane@acme.com"], "lines": lines})
    long = ApprovalRequest.objects.get(decision=answer.id)
    with page() as opened:
        log_in(opened, live_server, scene.world.reviewer)
        opened.goto(f"{live_server.url}{page_of(long)}")
        bar = opened.locator(".cp-verdict")
        expect(bar.get_by_text(re.compile("screens? left to read"))).to_be_visible()
        approve = opened.get_by_role("link", name=re.compile("^Approve: email.send"))
        expect(approve).to_be_hidden()
        press(opened, "a")
        press(opened, "Enter")
        expect(opened.get_by_role("dialog")).to_have_count(0)
        opened.locator("[data-end]").scroll_into_view_if_needed()
        opened.mouse.wheel(0, 4000)
        expect(approve).to_be_visible()
        expect(opened.get_by_text("looks like acme.com")).to_have_count(0)
        press(opened, "k")
        expect(opened).to_have_url(f"{live_server.url}{page_of(request)}")
        expect(opened.get_by_text("looks like").first).to_be_visible()
        expect(opened.locator("mark.cp-mark-bad")).to_have_count(1)
        press(opened, "j")
        expect(opened).to_have_url(f"{live_server.url}{page_of(long)}")


def test_a_policy_is_edited_tried_published_and_rolled_back(scene: Scene, live_server: LiveServer) -> None:
    forms = {"forms": {"rules": [{"allow": {"name": "all", "verb": "form.submit"}}]}}
    draft = save_draft(policies={**POLICIES, **forms}, by=scene.world.admin, now=scene.now, reason="More forms")
    with page() as opened:
        log_in(opened, live_server, scene.world.admin)
        opened.goto(f"{live_server.url}{page_of(draft)}")
        opened.get_by_role("link", name="Edit the draft…").click()
        field = opened.get_by_label("Policies, as YAML")
        field.fill(f"# Reviewed.\n{field.input_value()}")
        opened.get_by_role("button", name="Save the draft").click()
        expect(opened.locator("#messages").get_by_text(f"r{draft.number} is saved as a draft.")).to_be_visible()

        opened.get_by_role("link", name="Run its tests").click()
        expect(opened.get_by_role("heading", name="Tests: 1 run, 0 failed")).to_be_visible()
        opened.get_by_role("link", name="What would happen if…").click()
        opened.get_by_label("Verb").select_option("form.submit")
        opened.get_by_label("Payload").fill(json.dumps({"url": "https://anywhere.example/x"}))
        opened.get_by_role("button", name="Try it").click()
        expect(opened.get_by_text("forms allows this (rule all).")).to_be_visible()
        assert not sideways(opened)

        opened.goto(f"{live_server.url}{page_of(draft)}")
        opened.get_by_role("link", name=f"Publish r{draft.number}…").click()
        window = opened.get_by_role("dialog")
        expect(window.get_by_text("From the next request on it adds forms, for 1 agent.")).to_be_visible()
        window.get_by_label("Reason").fill("Seen")
        window.get_by_role("button", name=f"Publish r{draft.number}").click()
        expect(opened.locator("#messages").get_by_text(f"r{draft.number} is in force.")).to_be_visible()
        opened.goto(f"{live_server.url}{page_of(Revision.objects.get(number=1))}")
        opened.get_by_role("link", name="Roll back to r1…").click()
        opened.get_by_role("dialog").get_by_label("Reason").fill("Back")
        opened.get_by_role("dialog").get_by_role("button", name="Roll back to r1").click()
        expect(opened.locator("#messages").get_by_text("it says what r1 said.")).to_be_visible()
    assert scene.submit("https://anywhere.example/x").effect == "deny"


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
def test_every_page_fits(scene: Scene, live_server: LiveServer, width: int, dark: bool) -> None:
    know(scene, "email:jane@acme.com")
    scene.budget()
    scene.spend(500)
    scene.spend(900, days_ago=2, task="sort")
    scene.spend(0, model="mystery-model", output=100)
    scene.roll_up()
    denied = scene.submit("https://elsewhere.example/x")
    held = scene.hold(BIDI, to=("jane@acme.com", "j.doe@acrne.com"), provenance={"/body": "web"})
    seal(now=scene.now)
    draft = save_draft(policies=POLICIES, by=scene.world.admin, now=scene.now, reason="Same")
    entry = Entry.objects.order_by("id")[3]
    pages = {
        "policies": list_of(Revision),
        "revision": f"{page_of(draft)}?tests=run",
        "editor": page_of(draft, "edit"),
        "try": f"{list_of(Revision)}do/try/",
        "decision": f"{page_of(denied)}?again=1",
        "approval": page_of(held),
        "costs": list_of(Budget),
        "budget": page_of(Budget.objects.get()),
        "new budget": f"{list_of(Budget)}do/create/",
        "prices": list_of(ModelPrice),
        "price": f"{list_of(ModelPrice)}do/price/?model=mystery-model",
        "trail": f"{list_of(Entry)}?kind__startswith=a",
        "entry": page_of(entry),
        "export": f"{list_of(Entry)}do/export/",
    }
    with page(width=width, dark=dark) as opened:
        log_in(opened, live_server, scene.world.admin)
        for name, url in pages.items():
            opened.goto(f"{live_server.url}{url}")
            assert not sideways(opened), name
            expect(opened.get_by_role("heading", level=1)).to_have_count(1)
        log_in(opened, live_server, scene.world.reviewer)
        opened.goto(f"{live_server.url}{page_of(held)}")
        assert not sideways(opened)
