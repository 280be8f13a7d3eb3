"""What reviewers see of a tool call: the exact arguments, and that nobody edits them."""

from __future__ import annotations

import pytest

from approvals.models import ApprovalRequest
from controlplane.console.admins import page_of
from policies.models import Decision
from tests.controlplane.api.callers import person
from tests.controlplane.api.scene import hold
from tests.protocols.aap.scene import Framework
from tests.world import World

pytestmark = pytest.mark.slow


def test_the_page_shows_the_exact_text_and_offers_no_edit(world: World, agent: Framework) -> None:
    raw = b'{"tool":"send","server":"mail","arguments":{"to":["jane@acme.com"],"n":1.0},"timeout":"10m"}'
    asked = agent.send("POST", "/requests", raw=raw, key="a").json()
    held = ApprovalRequest.objects.get(decision=asked["id"])
    client = person(world.reviewer).client
    page = client.get(page_of(held)).content.decode()
    assert "A call of the tool" in page
    assert "send on mail" in page
    assert "&quot;n\\&quot;:1.0}" in page
    assert "Approve: email.send" in page
    assert "Edit…" not in page
    query = f"?revision=1&digest={held.revisions.get().digest}"
    refused = client.get(page_of(held, "edit") + query)
    assert (refused.status_code, "nobody edits" in refused.content.decode()) == (403, True)


def test_a_native_action_says_nothing_of_tools(world: World) -> None:
    page = person(world.reviewer).client.get(page_of(hold(world, "mail"))).content.decode()
    assert "A call of the tool" not in page
    assert "Edit…" in page


def test_the_decision_says_that_the_catalogue_holds_it(world: World, agent: Framework) -> None:
    asked = agent.ask("a", {"tool": "shell", "arguments": {"n": 2.0}, "timeout": "5m"}).json()
    client = person(world.operator).client
    page = client.get(page_of(Decision.objects.get(pk=asked["id"])))
    assert page.status_code == 200
    assert "verb-catalogue" in page.content.decode()
