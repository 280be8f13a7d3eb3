"""Passkeys and codes in a real browser, under the content security policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from registry.models import User
from tests.browser import page
from tests.controlplane.accounts.conftest import code_of
from tests.world import PASSWORD

pytestmark = pytest.mark.browser


def _address(server: LiveServer) -> str:
    # Passkeys know host names alone.
    return server.url.replace("127.0.0.1", "localhost")


def _log_in(opened: Page, server: LiveServer) -> None:
    opened.goto(f"{_address(server)}/login/")
    opened.fill("input[name=username]", "jane")
    opened.fill("input[name=password]", PASSWORD)
    opened.keyboard.press("Enter")


def _log_out(opened: Page, server: LiveServer) -> None:
    opened.goto(f"{_address(server)}/logout/")
    opened.get_by_role("button", name="Log out").click()
    opened.wait_for_url("**/login/**")


def test_passkey_is_added_and_logs_in(live_server: LiveServer, person: User) -> None:
    with page() as opened:
        devtools = opened.context.new_cdp_session(opened)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        _log_in(opened, live_server)
        opened.wait_for_url("**/approvals/**")
        opened.goto(f"{_address(live_server)}/account/passkey/")
        opened.get_by_role("button", name="Add the passkey").click()
        opened.wait_for_url("**/account/codes/")
        _log_out(opened, live_server)
        opened.get_by_role("button", name="Log in with a passkey").click()
        opened.wait_for_url("**/approvals/**")
        opened.goto(f"{_address(live_server)}/account/")
        expect(opened.get_by_text("this one")).to_be_visible()


def test_code_of_an_app_logs_in(live_server: LiveServer, person: User) -> None:
    with page() as opened:
        _log_in(opened, live_server)
        opened.wait_for_url("**/approvals/**")
        opened.goto(f"{_address(live_server)}/account/app/")
        secret = opened.locator("pre.cp-bytes").inner_text().strip()
        opened.fill("input[name=code]", code_of(secret))
        opened.get_by_role("button", name="Set up the app").click()
        opened.wait_for_url("**/account/codes/")
        opened.get_by_role("button", name="Show them, once").click()
        expect(opened.get_by_text("They are not shown again.")).to_be_visible()
        _log_out(opened, live_server)
        _log_in(opened, live_server)
        opened.wait_for_url("**/login/code/")
        # A code counts once, and for a step either way: the next one.
        opened.fill("input[name=code]", code_of(secret, 1))
        opened.get_by_role("button", name="Go on").click()
        opened.wait_for_url("**/approvals/**")
