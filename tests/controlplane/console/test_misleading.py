"""What an agent, a colleague or a link does to have somebody sign what they did not read."""

from __future__ import annotations

import pytest

from approvals.models import ApprovalRequest
from approvals.operations import grant_break_glass
from approvals.operations.opening import current_revision
from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import FRAGMENT
from policies.operations import publish_set
from registry.amounts import parse_money
from registry.operations import transfer_agent
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import edited, send
from tests.controlplane.console.test_reviewing import page, pay, queue
from tests.world import make_person

pytestmark = pytest.mark.slow


def test_labels_of_an_agent_are_boxed_and_escaped_once(scene: Scene, visit: Visit) -> None:
    request = scene.hold(data_classes=["pub\u202elic", "<b>x</b>"])
    for user, row in ((scene.world.reviewer, request), (scene.world.admin, request.decision)):
        shown = visit(user).get(page_of(row)).content.decode()
        assert "\u202e" not in shown
        assert "pub<" in shown
        assert "&lt;b&gt;x&lt;/b&gt;" in shown
        assert "&amp;lt;" not in shown
    changed = {**edited(request), "data_classes": "pub\u202elic, pii"}
    assert send(visit(scene.world.reviewer), request, "edit", **changed).status_code == 302
    shown = page(scene, visit, request)
    assert "data classes: " in shown
    assert "\u202e" not in shown


def test_amounts_are_written_with_their_thousands_divided(scene: Scene, visit: Visit) -> None:
    shown = page(scene, visit, pay(scene, "12500000.00"))
    assert "Approve: payment.transfer of 12,500,000.00 USD to account:DE1" in shown


def test_a_wrong_amount_is_told_beside_its_field(scene: Scene, visit: Visit) -> None:
    request = pay(scene, "5000.00")
    queue(scene, confirm_amount_over=parse_money({"value": "500.00", "currency": "USD"}))
    answer = send(visit(scene.world.reviewer), request, "approve", confirmed_amount="500.00")
    assert answer.status_code == 422
    assert '<p class="cp-error" role="alert">Type the amount as it will be moved.</p>' in answer.content.decode()
    assert "/confirmed_amount" not in answer.content.decode()


def test_what_needs_a_page_is_no_window_and_opens_nothing_for_one(scene: Scene, visit: Visit) -> None:
    queue(scene, bulk_limit=3)
    rows = [scene.hold(), scene.hold()]
    url = f"{list_of(ApprovalRequest)}do/bulk/?like={rows[0].pk}"
    client = visit(scene.world.reviewer)
    assert client.get(url, headers={FRAGMENT: "1"}).content == b""
    assert not Entry.objects.filter(kind="payload.read").exists()
    assert "Approve what is ticked" in client.get(url).content.decode()
    assert visit(scene.world.stranger).get(page_of(rows[0], "approve"), headers={FRAGMENT: "1"}).status_code == 404


def test_origins_are_hidden_with_the_bytes_they_name(scene: Scene, visit: Visit) -> None:
    request = scene.hold(provenance={"/subject": "web"})
    assert "/subject" in page(scene, visit, request)
    assert "/subject" not in page(scene, visit, request, who="auditor")


def test_a_destination_is_hidden_with_the_bytes_in_the_dialog_as_well(scene: Scene, visit: Visit) -> None:
    """A form that lacks something is answered before it is asked who sent it."""
    request = scene.hold()
    address = current_revision(request).facts["destinations"][0]
    answers = [
        visit(user).post(page_of(request, "approve"), {}).content.decode()
        for user in (scene.world.reviewer, scene.world.auditor)
    ]
    assert [address in answer for answer in answers] == [True, False]
    assert "It goes to 1 destination." in answers[1]


def route(scene: Scene, *queues: str) -> None:
    """Have mail held by every one of some queues."""
    rules = [{"review": {"name": name, "verb": "email.**", "queue": name}} for name in queues]
    publish_set(
        policies={"job-applications": {"rules": rules}},
        queues=list(queues),
        by=scene.world.admin,
        now=scene.now,
        reason="x",
    )


def test_alike_are_only_those_that_the_person_sees(scene: Scene, visit: Visit) -> None:
    """A request of two queues is like one of the second alone, which the reviewers of the first never see."""
    queue(scene, slug="elsewhere", reviewers=["billing"])
    route(scene, "elsewhere")
    unseen = scene.hold()
    assert send(visit(scene.world.stranger), unseen, "reject", kind="Unsafe").status_code == 302
    route(scene, "elsewhere", "outreach")
    request = scene.hold()
    assert page_of(unseen) in page(scene, visit, request, who="stranger")
    assert page_of(unseen) not in page(scene, visit, request)


def test_an_owner_whom_a_queue_shuts_out_breaks_no_glass(scene: Scene, visit: Visit) -> None:
    chief = make_person("chief", "admin", now=scene.now)
    grant_break_glass(user=chief, by=scene.world.admin, now=scene.now)
    transfer_agent(agent=scene.world.agent, owner=chief, team=scene.world.team, by=scene.world.admin, now=scene.now)
    request = scene.hold()
    client = visit(chief)
    assert client.get(page_of(request, "break-glass")).status_code == 200
    queue(scene, owner_may_approve=False)
    answer = client.post(page_of(request, "break-glass"), {"reason": "Mine"})
    assert answer.status_code == 403
    assert "You own this agent" in answer.content.decode()
