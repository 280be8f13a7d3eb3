"""Logging in, as people do."""

from __future__ import annotations

from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from registry.models import User
from tests.world import PASSWORD


def log_in(opened: Page, server: LiveServer, user: User) -> None:
    """Log in through the form; whoever was logged in before is not any more."""
    opened.context.clear_cookies()
    opened.goto(f"{server.url}/login/")
    opened.fill("input[name=username]", user.username)
    opened.fill("input[name=password]", PASSWORD)
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#nav-sidebar", state="attached")
