"""A stranger at a fresh installation, in a real browser: the first password, the demonstration, a held email.

`python -m tests.pictures` runs this to draw the pictures of the README and the documentation.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import page, picture
from tests.docs.blocks import Block
from tests.docs.walking import Walk, reader

PASSWORD = "seven wonders of quiet water"


@pytest.mark.installation
def test_from_the_first_password_to_an_edited_approval_by_two_people(tmp_path: Path) -> None:
    with reader(tmp_path) as walk:
        log = walk.up("here")
        one_time = re.search(r"one-time password .*: (\S+)", log)
        assert one_time, log
        base = f"http://127.0.0.1:{walk.port}"
        with page() as opened:
            log_in(opened, base, "admin", one_time.group(1))
            change(opened, one_time.group(1))
            reviewer = load_demonstration(opened, base)
            play(walk)
            approval = edit(opened, base)

            log_in(opened, base, "demo-reviewer", reviewer)
            change(opened, reviewer)
            approve(opened, approval)

            log_in(opened, base, "admin", PASSWORD)
            look_round(opened, base)


def log_in(opened: Page, base: str, name: str, password: str) -> None:
    """Log in; whoever was logged in before is not any more."""
    opened.context.clear_cookies()
    opened.goto(f"{base}/")
    opened.fill("input[name=username]", name)
    opened.fill("input[name=password]", password)
    opened.keyboard.press("Enter")
    expect(opened.locator("input[name=password]")).to_have_count(0)


def change(opened: Page, password: str) -> None:
    """Change the one-time password, which is all that can be done with it."""
    expect(opened.get_by_role("heading", name="Change your password", level=1)).to_be_visible()
    opened.fill("input[name=old_password]", password)
    opened.fill("input[name=new_password1]", PASSWORD)
    opened.fill("input[name=new_password2]", PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.locator("#messages").get_by_text("Your password is changed.")).to_be_visible()


def load_demonstration(opened: Page, base: str) -> str:
    """Load it from the empty console; return the reviewer's one-time password."""
    opened.goto(f"{base}/")
    opened.get_by_role("main").get_by_role("link", name="Load the demonstration…").first.click()
    opened.get_by_role("button", name="Load the demonstration").click()
    expect(opened.get_by_text("Password of demo-reviewer")).to_be_visible()
    shown = re.search(r"Password of demo-reviewer\s+(\S+)", opened.get_by_role("main").inner_text())
    assert shown
    return shown.group(1)


def play(walk: Walk) -> None:
    """Let the demonstration's agent ask over HTTP."""
    said = walk.run(Block(0, "sh", "python3 manage.py demo", None), "here")
    assert "202  review     email.send, held for people" in said


def edit(opened: Page, base: str) -> str:
    """Edit what is held; return its address. Whoever wrote the bytes may not approve them."""
    opened.goto(f"{base}/")
    picture(opened, "console")
    opened.get_by_role("link", name=re.compile(r"^Review\b")).first.click()
    expect(opened.get_by_role("heading", name="Will be executed, byte for byte")).to_be_visible()
    picture(opened, "approval")
    address = opened.url
    opened.get_by_role("link", name="Edit…").click()
    window = opened.get_by_role("dialog")
    field = window.get_by_label("Payload")
    field.fill(field.input_value().replace("Application", "Your application"))
    window.get_by_role("button", name="Save new revision").click()
    expect(opened.get_by_text("You wrote revision 2; someone else must approve it.")).to_be_visible()
    return address


def approve(opened: Page, address: str) -> None:
    """Approve the bytes."""
    opened.goto(address)
    opened.get_by_role("link", name=re.compile("^Approve: email.send")).click()
    opened.get_by_role("dialog").get_by_role("button", name="Approve email.send").click()
    expect(opened.locator("#messages").get_by_text(re.compile("Approved"))).to_be_visible()


def look_round(opened: Page, base: str) -> None:
    """Open the agent, a run, a denial and the trail."""
    opened.goto(f"{base}/registry/agent/")
    opened.get_by_role("main").get_by_role("link", name="Job application agent").first.click()
    picture(opened, "agent")
    opened.goto(f"{base}/policies/decision/?effect__exact=deny")
    opened.get_by_role("main").locator("tbody a").first.click()
    expect(opened.get_by_text("Try against current").first).to_be_visible()
    picture(opened, "decision")
    opened.goto(f"{base}/runs/run/")
    opened.get_by_role("main").locator("tbody a").first.click()
    picture(opened, "run")
    opened.goto(f"{base}/audit/entry/")
    picture(opened, "trail")
