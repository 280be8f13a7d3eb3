"""No page of the console is closed to anybody: axe-core finds nothing, in both themes, on desk and phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from registry.models import User
from tests.browser import page
from tests.controlplane.console.axe import violations
from tests.controlplane.console.everywhere import Place, places
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.people import log_in
from tests.world import make_admin

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
# Addresses that answer with an error page: the frame's own, and what a dialog refuses.
ERRORS = ("/runs/run/nothing/", "/nothing/")
# All pages are minutes of one browser's work: in parts, several browsers share it.
PARTS = 4


def faults(opened: Page, name: str) -> list[str]:
    """Look at a loaded page in both themes and both widths."""
    found: list[str] = []
    for theme, size, rules in (
        ("light", DESK, ()),
        ("dark", DESK, ("color-contrast",)),
        ("dark", PHONE, ()),
        ("light", PHONE, ("color-contrast", "target-size")),
    ):
        opened.set_viewport_size(size)  # type: ignore[arg-type]
        opened.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        opened.evaluate("theme => window.Alpine && Alpine.$data(document.documentElement).switchTheme(theme)", theme)
        opened.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found += [f"{name} ({theme}, {size['width']} px) {fault}" for fault in violations(opened, rules=rules)]
        if opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{name} ({theme}, {size['width']} px) scrolls sideways")
    return found


def look(server: LiveServer, person: User, wanted: list[Place]) -> tuple[list[str], int]:
    """Open each page and return what is wrong, and how many pages were looked at."""
    found, seen = [], 0
    with page(errors_expected=True) as opened:
        opened.goto(f"{server.url}/login/", wait_until="load")
        found += faults(opened, "before the log-in")
        opened.evaluate("localStorage.clear()")
        log_in(opened, server, person)
        for place in wanted:
            answer = opened.goto(f"{server.url}{place.url}", wait_until="load")
            if answer is None or "text/html" not in answer.headers.get("content-type", ""):
                continue
            seen += 1
            found += faults(opened, place.name)
    return found, seen


@pytest.mark.parametrize("part", range(PARTS))
def test_axe_finds_nothing_on_any_page_with_rows(part: int, transactional_db: None, live_server: LiveServer) -> None:
    scene = make_full_scene()
    wanted = [*places(), *(Place(f"error {url}", url) for url in ERRORS)]
    found, seen = look(live_server, scene.world.admin, wanted[part::PARTS])
    print(f"{seen} pages with rows")  # the count is what the test is asked for
    assert seen >= 60 / PARTS
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_an_empty_installation(transactional_db: None, live_server: LiveServer) -> None:
    wanted = [place for place in places() if place.name.endswith("_changelist") or place.name == "admin:home"]
    found, seen = look(live_server, make_admin(), wanted)
    assert seen >= 15
    assert not found, "\n".join(found)
