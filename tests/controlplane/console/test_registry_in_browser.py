"""Every dialog of the registry's pages in a real browser: it opens over its page, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models import Model
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from approvals.models import Queue
from controlplane.console.admins import list_of, page_of
from registry.models import Agent, KillSwitch, Team, User, Verb
from registry.operations import create_version, kill
from runs.models import Failure
from tests.browser import page
from tests.controlplane.console.scene import Scene, make_scene
from tests.controlplane.console.test_failure_pages import report
from tests.world import PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return make_scene()


def log_in(opened: Page, server: LiveServer, user: User) -> None:
    opened.context.clear_cookies()
    opened.goto(f"{server.url}/login/")
    opened.fill("input[name=username]", user.username)
    opened.fill("input[name=password]", PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Home")).to_be_visible()


def places(scene: Scene) -> Iterator[str]:
    """Yield the pages whose dialogs are opened."""
    world = scene.world
    draft = create_version(agent=world.agent, definition={"prompt": "Kindly."}, by=world.operator, now=scene.now)
    switch = kill(scope="team", value="billing", reason="A drill", by=world.admin, now=scene.now)
    report(scene, "one")
    rows: tuple[Model, ...] = (
        world.agent, draft, world.key, switch, world.team, world.reviewer,
        Verb.objects.get(name="email.send"), Queue.objects.get(), Failure.objects.get(),
    )  # fmt: skip
    yield from (page_of(row) for row in rows)
    yield page_of(world.agent, "releases")
    yield "/welcome/"
    yield from (list_of(model) for model in (Agent, KillSwitch, Team, User, Verb, Queue))


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
def test_every_dialog_opens_over_its_page(scene: Scene, live_server: LiveServer, width: int, dark: bool) -> None:
    seen = 0
    with page(width=width, dark=dark) as opened:
        log_in(opened, live_server, scene.world.admin)
        for place in places(scene):
            opened.goto(f"{live_server.url}{place}")
            assert not opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"), (
                place
            )
            links = opened.locator("main a[data-dialog], #content-main a[data-dialog], .cp-page a[data-dialog]")
            for href in dict.fromkeys(links.evaluate_all("all => all.map(each => each.getAttribute('href'))")):
                opened.evaluate(
                    "href => [...document.querySelectorAll('.cp-page a[data-dialog]')]"
                    ".find(each => each.getAttribute('href') === href).click()", href
                )  # fmt: skip
                window = opened.locator("dialog.cp-window[open]")
                expect(window.locator("h2")).to_be_visible()
                seen += 1
                window.locator("a[data-cancel]").click()
                expect(window).to_have_count(0)
    assert seen >= 40


def test_an_agent_is_registered_in_its_dialog(scene: Scene, live_server: LiveServer) -> None:
    with page() as opened:
        log_in(opened, live_server, scene.world.operator)
        opened.goto(f"{live_server.url}{list_of(Agent)}")
        opened.get_by_role("link", name="Register an agent…").click()
        window = opened.get_by_role("dialog")
        window.get_by_label("Slug").fill("sourcer")
        window.get_by_label("Name", exact=True).fill("Sourcer")
        window.get_by_label("Team").select_option(label="talent")
        window.get_by_role("button", name="Register the agent").click()
        expect(opened.locator("#messages").get_by_text("sourcer is registered.")).to_be_visible()
    assert Agent.objects.get(slug="sourcer").team == scene.world.team
