"""No page of the console is closed to anybody: axe-core finds nothing, in both themes, on desk and phone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.browser import page
from tests.controlplane.console.asked import ADMIN
from tests.controlplane.console.axe import violations
from tests.controlplane.console.everywhere import Place, places
from tests.controlplane.console.looking import Looker
from tests.controlplane.console.occasions import make_everything
from tests.world import make_admin

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
# Theme, size, and the rules to look at; at all where none are named.
Looks = Sequence[tuple[str, Mapping[str, int], tuple[str, ...]]]
ALL: Final[Looks] = (
    ("light", DESK, ()),
    ("dark", DESK, ("color-contrast",)),
    ("dark", PHONE, ()),
    ("light", PHONE, ("color-contrast", "target-size")),
)
# Colours are the same without rows: each theme and each width is looked at once.
TWO: Final[Looks] = (("light", DESK, ()), ("dark", PHONE, ()))
# Addresses that answer with an error page: the frame's own, and what a dialog refuses.
ERRORS: Final = {"/runs/run/nothing/": 404, "/nothing/": 404}
# Without a team there is nobody who could review or answer: these dialogs say so.
REFUSED_WHEN_EMPTY: Final = frozenset({
    "admin:approvals_queue_create", "admin:approvals_queue_template", "admin:registry_agent_register",
})  # fmt: skip
# All pages are minutes of one browser's work: in parts, several browsers share it.
PARTS = 4


def _break(opened: Page) -> None:
    opened.fill("[name=reason]", "An outage")
    opened.get_by_role("button", name="Open the bytes").click()
    opened.locator("[name=destination]").wait_for()


def _throw(opened: Page) -> None:
    opened.select_option("[name=scope]", "all")
    opened.get_by_role("button", name="Show what it stops").click()
    opened.locator("[name=confirmation]").wait_for()


# Pages that come after a form, and are nobody's address.
ONWARD: Final[Mapping[str, Callable[[Page], None]]] = {
    "admin:approvals_approvalrequest_break-glass": _break,
    "admin:registry_killswitch_throw": _throw,
}


def faults(opened: Page, name: str, looks: Looks) -> list[str]:
    """Look at a loaded page."""
    found: list[str] = []
    for theme, size, rules in looks:
        opened.set_viewport_size(size)  # type: ignore[arg-type]
        opened.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        opened.evaluate("theme => window.Alpine && Alpine.$data(document.documentElement).switchTheme(theme)", theme)
        opened.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found += [f"{name} ({theme}, {size['width']} px) {fault}" for fault in violations(opened, rules=rules)]
        if opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{name} ({theme}, {size['width']} px) scrolls sideways")
    return found


def open_as(opened: Page, server: LiveServer, looker: Looker, place: Place, status: int) -> str:
    """Open a page as whoever it is for; say what came in its place, or nothing."""
    opened.context.clear_cookies()
    session = looker.client(place).cookies.get(settings.SESSION_COOKIE_NAME)
    if session is not None:
        opened.context.add_cookies([{"name": session.key, "value": session.value, "url": server.url}])
    answer = opened.goto(f"{server.url}{place.url}", wait_until="load")
    assert answer is not None
    if urlsplit(answer.url).path != urlsplit(place.url).path:
        return f"led to {answer.url}"
    kind = answer.headers.get("content-type", "")
    return "" if answer.status == status and kind.startswith("text/html") else f"{answer.status} {kind}"


def look(server: LiveServer, wanted: list[Place], looks: Looks, *, answers: Mapping[str, int]) -> list[str]:
    """Open each page and return what is wrong with it; that it is not shown is wrong, too.

    Args:
        server: that serves them.
        wanted: the pages.
        looks: how each is looked at.
        answers: the status of what is no page but an error, by the page's name.
    """
    found, looker = [], Looker()
    with page(errors_expected=True) as opened:
        for place in wanted:
            closed = open_as(opened, server, looker, place, answers.get(place.name, 200))
            if closed:
                found.append(f"{place.name} as {place.who}: {closed}")
                continue
            found += faults(opened, place.name, looks)
            if place.name in ONWARD:
                ONWARD[place.name](opened)
                found += faults(opened, f"after {place.name}", looks)
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_axe_finds_nothing_on_any_page_with_rows(part: int, transactional_db: None, live_server: LiveServer) -> None:
    make_everything()
    wanted = [*places(), *(Place(url, url) for url in ERRORS)]
    found = look(live_server, wanted[part::PARTS], ALL, answers=ERRORS)
    print(f"{len(wanted[part::PARTS])} pages with rows")  # the count is what the test is asked for
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_an_empty_installation(transactional_db: None, live_server: LiveServer) -> None:
    make_admin(ADMIN)
    # Whoever has a second factor is nobody's first person.
    wanted = [Place("account", "/account/"), *(place for place in places() if place.who == ADMIN)]
    assert {"admin:home", "admin:reviewers", "admin:live", "admin:welcome"} < {place.name for place in wanted}
    found = look(live_server, wanted, TWO, answers=dict.fromkeys(REFUSED_WHEN_EMPTY, 409))
    print(f"{len(wanted)} pages without rows")
    assert not found, "\n".join(found)


def test_a_page_that_is_not_shown_is_a_fault(transactional_db: None, live_server: LiveServer) -> None:
    """The planted twin: refused, missing, and led elsewhere."""
    make_admin(ADMIN)
    wanted = [Place("missing", "/runs/run/none/"), Place("unproven", "/account/app/"), Place("fine", "/shortcuts/")]
    found = look(live_server, wanted, (), answers={})
    assert [line.partition(":")[0] for line in found] == ["missing as admin", "unproven as admin"]
