"""axe-core in a page, from the copy that the test lock brings."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# What WCAG 2.2 AA asks, and what axe's authors advise besides.
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def violations(opened: Page, *, rules: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds wrong with the page as it is now: rule, element, how to mend it.

    The script is evaluated through the browser's own door, so that the page's policy stays as it is.

    Args:
        opened: a loaded page.
        rules: look at these alone; at all where left out.
    """
    options: dict[str, Any] = {**_OPTIONS, "runOnly": list(rules)} if rules else _OPTIONS
    if not opened.evaluate("typeof window.axe === 'object'"):
        opened.evaluate(AXE_SCRIPT)
    found = opened.evaluate("options => window.axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['html'][:160]} — {' '.join(node['failureSummary'].split())[:240]}"
        for rule in found["violations"]
        for node in rule["nodes"][:3]
    ]
