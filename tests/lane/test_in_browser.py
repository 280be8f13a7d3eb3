"""Pages that move by themselves, in a real browser: beside a lane of its own port, without it, and with it gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from audit import operations as trail
from audit import sql
from registry.models import User
from tests.approvals.steps import FORM, ask, hold_mail
from tests.browser import page, picture, press
from tests.controlplane.console.axe import violations
from tests.controlplane.console.people import log_in
from tests.journeys.installation import Installation, build
from tests.lane.serving import Served, served_lane

pytestmark = pytest.mark.browser


@pytest.fixture
def installation(transactional_db: None) -> Installation:
    return build()


@pytest.fixture
def lane(live_server: LiveServer, installation: Installation, settings: Any) -> Iterator[Served]:
    with served_lane(host="localhost", CONTROLPLANE_PUBLIC_URL=live_server.url) as served:
        settings.PUBLIC_URL, settings.LANE_URL = live_server.url, served.url
        policy = settings.CONTENT_SECURITY_POLICY
        directives = {**policy["DIRECTIVES"], "connect-src": ["'self'", served.url]}
        settings.CONTENT_SECURITY_POLICY = {**policy, "DIRECTIVES": directives}
        yield served


def _opened(opened: Page, server: LiveServer, username: str, path: str) -> None:
    log_in(opened, server, User.objects.get(username=username))
    # Not the answer to the page behind the log-in.
    opened.goto("about:blank")
    # The lane answers once it listens for the person.
    with opened.expect_response(lambda answer: "/events" in answer.url and answer.status == 200):
        opened.goto(f"{server.url}{path}")


def _seal() -> None:
    trail.seal(now=sql.now())


def test_what_is_held_appears_on_live_and_space_pauses(
    lane: Served, live_server: LiveServer, installation: Installation
) -> None:
    with page() as opened:
        _opened(opened, live_server, "talent-reviewer", "/live/")
        assert "Nothing has arrived yet" in opened.inner_text("main")
        hold_mail(installation)
        _seal()
        opened.wait_for_selector("#cp-arriving tbody tr")
        assert "email.send" in opened.inner_text("#cp-arriving tbody")
        picture(opened, "live")
        assert violations(opened) == []

        opened.click("h1, main", position={"x": 5, "y": 5})
        press(opened, "Space")
        assert opened.inner_text("#cp-pause") == "Go on"
        hold_mail(installation, "second")
        _seal()
        opened.wait_for_selector(".cp-new:not([hidden])")
        assert opened.inner_text(".cp-new") == "1 new"
        assert opened.locator("#cp-arriving tbody tr").count() == 1
        press(opened, "Space")
        opened.wait_for_function("document.querySelectorAll('#cp-arriving tbody tr').length === 2")
        assert opened.locator(".cp-new:not([hidden])").count() == 0


def test_rows_do_not_move_under_the_pointer(lane: Served, live_server: LiveServer, installation: Installation) -> None:
    ask(installation, "form", **FORM)
    with page() as opened:
        _opened(opened, live_server, "admin", "/live/")
        opened.hover("#cp-arriving tbody tr")
        hold_mail(installation)
        _seal()
        opened.wait_for_selector(".cp-new:not([hidden])")
        assert opened.locator("#cp-arriving tbody tr").count() == 1
        opened.hover("h1")
        opened.wait_for_function("document.querySelectorAll('#cp-arriving tbody tr').length === 2")


def test_a_flood_becomes_counts(lane: Served, live_server: LiveServer, installation: Installation) -> None:
    with page() as opened:
        _opened(opened, live_server, "admin", "/live/")
        opened.evaluate(
            "() => document.body.dispatchEvent("
            "new CustomEvent('cp:run', {bubbles: true, detail: {count: 400, ids: [], more: true}}))"
        )
        assert "400 × run" in opened.inner_text("#cp-flood")


def test_lists_and_home_hear_of_a_held_action(
    lane: Served, live_server: LiveServer, installation: Installation
) -> None:
    hold_mail(installation, "first")
    with page() as opened:
        _opened(opened, live_server, "talent-reviewer", "/approvals/approvalrequest/")
        hold_mail(installation)
        _seal()
        opened.wait_for_selector(".cp-new:not([hidden])")
        assert opened.inner_text(".cp-new") == "1 new"
        press(opened, ".")
        opened.wait_for_function("document.querySelectorAll('.cp-list tbody tr').length === 2")

        _opened(opened, live_server, "talent-reviewer", "/home/")
        assert opened.locator(".cp-needs li").count() == 2
        hold_mail(installation, "third")
        _seal()
        opened.wait_for_function("document.querySelectorAll('.cp-needs li').length === 3")


def test_a_lane_that_goes_away_is_said_and_forgiven(
    lane: Served, live_server: LiveServer, installation: Installation
) -> None:
    with page() as opened:
        _opened(opened, live_server, "talent-reviewer", "/live/")
        assert opened.locator("#cp-paused:not([hidden])").count() == 0
        lane.process.terminate()
        lane.process.wait(timeout=30)
        opened.wait_for_selector("#cp-paused:not([hidden])")
        assert opened.inner_text("#cp-paused") == "Updates paused. This page looks again every 30 s."
        assert opened.locator("h1").is_visible()
