"""A real browser for the tests marked ``browser``: the system's Chromium, driven from this process."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# As long as Playwright waits for actions: on a busy machine a page takes its time.
_PATIENCE_MS = 30_000
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def chromium() -> str:
    """Return the browser's path. Where there is none, the test is skipped aloud, and fails in CI."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium on this machine: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def page(*, width: int = 1440, height: int = 900, dark: bool = False, errors_expected: bool = False) -> Iterator[Page]:
    """Yield an empty page that may ask this machine only.

    Whatever the page asks of another host, and whatever its scripts complain about, fails the test at the end.

    Args:
        width: of the window, in CSS pixels.
        height: of the window, in CSS pixels.
        dark: whether the person prefers dark colours.
        errors_expected: whether answers of 400 and more are part of the test; the browser reports each on its console.
    """
    complaints: list[str] = []
    with sync_playwright() as playwright, _orm_beside_playwright():
        browser = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        expect.set_options(timeout=_PATIENCE_MS)
        opened = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        opened.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        opened.on(
            "console", lambda said: complaints.append(said.text) if _is_complaint(said, errors_expected) else None
        )
        opened.on("request", lambda asked: complaints.append(f"asked {asked.url}") if _is_foreign(asked.url) else None)
        try:
            yield opened
        finally:
            browser.close()
    assert complaints == []


def press(opened: Page, key: str) -> None:
    """Press a key on a page whose scripts listen: before it has loaded, keys are lost."""
    opened.wait_for_load_state()
    opened.keyboard.press(key)


def _is_complaint(said: ConsoleMessage, errors_expected: bool) -> bool:
    # Without a streaming lane pages ask for themselves; what listens to one has tests of its own.
    if said.location.get("url", "").partition("?")[0].endswith("/events"):
        return False
    answered = errors_expected and said.text.startswith("Failed to load resource: the server responded with")
    return said.type == "error" and not answered


def picture(opened: Page, name: str) -> None:
    """Keep what the page shows as ``NAME.png`` in the folder that ``PICTURES`` names; nothing without it."""
    if folder := os.environ.get("PICTURES"):
        opened.screenshot(path=Path(folder) / f"{name}.png")


def _is_foreign(url: str) -> bool:
    return not url.startswith(("http://localhost:", "http://127.0.0.1:", "data:", "blob:"))


@contextlib.contextmanager
def _orm_beside_playwright() -> Iterator[None]:
    # Playwright keeps an event loop in this thread, and Django takes that for asynchronous code.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield
