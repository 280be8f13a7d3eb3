"""The approval page and what people say on it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from approvals.models import ApprovalRequest, Grant, Vote
from approvals.operations.opening import current_revision
from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import BIDI, SCRIPT, Scene

pytestmark = pytest.mark.slow


def seen(request: ApprovalRequest) -> dict[str, Any]:
    """Return what the page's forms carry."""
    request.refresh_from_db()
    return {"revision": request.revision, "digest": current_revision(request).digest}


def send(client: Client, request: ApprovalRequest, word: str, **data: Any) -> Any:
    """Post a dialog, as the page does; who approves has opened the page before."""
    if word == "approve":
        client.get(page_of(request))
    carried = {name: data.pop(name, value) for name, value in seen(request).items()}
    return client.post(page_of(request, word), {**carried, "comment": "", **data})


def edited(request: ApprovalRequest, **payload: Any) -> dict[str, Any]:
    """Return the fields of an edit that changes the payload."""
    held = json.loads(bytes(current_revision(request).body))
    return {"payload": json.dumps({**held["payload"], **payload}), "data_classes": ""}


def test_the_reviewer_sees_the_exact_bytes_and_the_reading_is_audited(scene: Scene, visit: Visit) -> None:
    request = scene.hold(BIDI, purpose=f"because {SCRIPT}\u202e")
    shown = visit(scene.world.reviewer).get(page_of(request)).content.decode()
    digest = current_revision(request).digest
    assert digest in shown
    assert "jane@acme.com" in shown
    assert "U+202E" in shown
    assert "\u202e" not in shown
    assert SCRIPT not in shown
    assert "&lt;script&gt;" in shown
    assert "(untrusted)" in shown
    entry = Entry.objects.get(kind="payload.read")
    assert (entry.actor_id, entry.object_id, entry.after_digest) == ("talent-reviewer", str(request.pk), digest)


def test_others_see_size_and_digest_only(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    for role in ("admin", "auditor"):
        shown = visit(getattr(scene.world, role)).get(page_of(request)).content.decode()
        assert "jane@acme.com" not in shown
        assert "hidden: its reviewers may open it" in shown
        assert "Approve:" not in shown
    assert not Entry.objects.filter(kind="payload.read").exists()


def test_approve_grants_and_says_so(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    client = visit(scene.world.reviewer)
    assert client.get(page_of(request)).status_code == 200
    assert "Approve email.send" in client.get(f"{page_of(request, 'approve')}?revision=1").content.decode()
    answer = send(client, request, "approve", comment="Looks right.")
    assert answer.headers["Location"] == list_of(ApprovalRequest)
    request.refresh_from_db()
    assert request.state == "approved"
    assert Grant.objects.get(approval=request).state == "issued"
    assert "Approved. job-applier may execute it once" in client.get(answer.headers["Location"]).content.decode()
    after = client.get(page_of(request)).content.decode()
    assert "jane@acme.com" not in after
    assert "Looks right." in after


def test_a_link_to_the_approval_leads_nowhere_before_the_bytes_were_opened(scene: Scene, visit: Visit) -> None:
    request, client = scene.hold(), visit(scene.world.reviewer)
    link = f"{page_of(request, 'approve')}?revision=1"
    refused = client.get(link)
    assert refused.status_code == 409
    assert "you approve the bytes you read" in refused.content.decode()
    assert 'name="digest"' not in refused.content.decode()
    sent = client.post(page_of(request, "approve"), {**seen(request), "comment": ""})
    assert sent.status_code == 409
    assert "you approve the bytes you read" in sent.content.decode()
    assert not Vote.objects.exists()
    assert client.get(page_of(request)).status_code == 200
    assert 'name="digest"' in client.get(link).content.decode()


def test_reject_needs_a_reason_and_closes(scene: Scene, visit: Visit) -> None:
    request, client = scene.hold(), visit(scene.world.reviewer)
    answer = send(client, request, "reject")
    assert answer.status_code == 422
    assert "This field is required" in answer.content.decode()
    assert send(client, request, "reject", comment="Wrong recipient").status_code == 302
    request.refresh_from_db()
    assert request.state == "rejected"


def test_edit_makes_a_revision_with_its_diff_and_the_editor_may_not_approve_it(scene: Scene, visit: Visit) -> None:
    request = scene.hold("Old words")
    editor, other = visit(scene.world.reviewer), visit(scene.world.second)
    assert "Old words" in editor.get(f"{page_of(request, 'edit')}?revision=1").content.decode()
    answer = send(editor, request, "edit", **edited(request, subject="New words"))
    assert answer.headers["Location"] == page_of(request)
    shown = editor.get(page_of(request)).content.decode()
    assert "Changes r1 → r2, by talent-reviewer" in shown
    assert "<mark>Old</mark>" in shown
    assert "<mark>New</mark>" in shown
    assert "You wrote revision 2; someone else must approve it." in shown
    refused = send(editor, request, "approve")
    assert refused.status_code == 403
    assert "You wrote revision 2; someone else must approve it." in refused.content.decode()
    assert send(other, request, "approve").status_code == 302
    request.refresh_from_db()
    assert request.state == "approved"
    assert Grant.objects.get(approval=request).digest == current_revision(request).digest


def test_a_vote_on_an_older_revision_is_told_what_arrived(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    old = seen(request)
    send(visit(scene.world.reviewer), request, "edit", **edited(request, subject="Changed meanwhile"))
    client = visit(scene.world.second)
    answer = send(client, request, "approve", **old)
    assert answer.status_code == 412
    assert "Read the present revision" in answer.content.decode()
    opened = client.get(f"{page_of(request, 'approve')}?revision=1&digest={old['digest']}")
    assert opened.status_code == 412
    assert "Revision 2 arrived while you read." in opened.content.decode()
    late = send(client, request, "edit", **{**edited(request, subject="Mine was late"), **old})
    assert late.status_code == 412
    (sent,) = [field.sent for field in late.context["not_saved"] if field.label == "Payload"]
    assert "Mine was late" in sent
    assert not Vote.objects.exists()


def test_a_vote_with_another_digest_is_refused(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    answer = send(visit(scene.world.reviewer), request, "approve", digest="0" * 64)
    assert answer.status_code == 409
    assert "Not done." in answer.content.decode()
    assert not Vote.objects.exists()


def test_an_edit_that_the_policy_refuses_is_explained_and_keeps_what_was_written(scene: Scene, visit: Visit) -> None:
    request, client = scene.hold(), visit(scene.world.reviewer)
    for payload, said in (
        ('{"to": ["not an address"]}', "Not done."),
        ('{"to": [', "not valid JSON"),
        ('{"n": 1.0}', "RFC 8785"),
    ):
        answer = send(client, request, "edit", payload=payload, data_classes="")
        assert answer.status_code in {400, 422}, payload
        shown = answer.content.decode()
        assert said in shown, payload
        assert "<textarea" in shown
    request.refresh_from_db()
    assert request.revision == 1


def test_the_issuer_of_the_key_may_not_vote_and_reads_why(scene: Scene, visit: Visit) -> None:
    request, client = scene.hold(), visit(scene.world.operator)
    shown = client.get(page_of(request)).content.decode()
    assert "You issued the key that asked; someone else must decide." in shown
    assert "Approve:" not in shown
    assert send(client, request, "approve").status_code == 403


def test_a_closed_request_says_so(scene: Scene, visit: Visit) -> None:
    request, client = scene.hold(), visit(scene.world.reviewer)
    carried = seen(request)
    send(visit(scene.world.second), request, "reject", comment="No")
    answer = send(client, request, "approve", **carried)
    assert answer.status_code == 409
    assert "Already rejected." in answer.content.decode()


def test_the_inbox_shows_mine_soonest_first_and_the_rest_in_tabs(scene: Scene, visit: Visit) -> None:
    first, second = scene.hold(), scene.hold()
    client = visit(scene.world.reviewer)
    shown = client.get(list_of(ApprovalRequest)).content.decode()
    assert shown.index(page_of(first)) < shown.index(page_of(second))
    send(client, first, "reject", comment="No")
    assert page_of(first) not in client.get(list_of(ApprovalRequest)).content.decode()
    assert page_of(first) in client.get(list_of(ApprovalRequest), {"show": "decided"}).content.decode()
    empty = visit(scene.world.admin).get(list_of(ApprovalRequest)).content.decode()
    assert "Nothing waits here." in empty


def test_the_inbox_tells_the_reach_of_what_was_edited(scene: Scene, visit: Visit) -> None:
    request, untouched = scene.hold(), scene.hold()
    send(visit(scene.world.reviewer), request, "edit", **edited(request, to=[f"{name}@acme.com" for name in "abcd"]))
    rows = visit(scene.world.second).get(list_of(ApprovalRequest)).content.decode().split("<tr")
    told = {held: next(row for row in rows if page_of(held) in row) for held in (request, untouched)}
    assert ("4 destinations" in told[request], "4 units" in told[request]) == (True, True)
    assert ("email:jane@acme.com" in told[untouched], "1 unit" in told[untouched]) == (True, True)


def test_an_operator_cancels_and_a_reviewer_does_not(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    refused = visit(scene.world.reviewer).post(page_of(request, "cancel"), {"reason": "x"})
    assert refused.status_code in {403, 404}
    assert visit(scene.world.operator).post(page_of(request, "cancel"), {"reason": "Too late"}).status_code == 302
    request.refresh_from_db()
    assert request.state == "cancelled"
