"""The login page in a real browser: it works under the content security policy, without anybody else's server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from tests.browser import page


@pytest.mark.browser
def test_login_page_loads_without_complaints(live_server: LiveServer) -> None:
    with page() as opened:
        opened.goto(f"{live_server.url}/login/")
        opened.fill("input[name=username]", "nobody")
        opened.fill("input[name=password]", "nothing")
        opened.keyboard.press("Enter")
        expect(opened.locator("body")).to_contain_text("correct")
