"""Forms of queues, and what waits in them."""

from __future__ import annotations

import pytest
from django.urls import reverse

from approvals.models import Queue
from audit.models import Entry
from controlplane.console.admins import page_of
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.forms import over

pytestmark = pytest.mark.slow


def form(scene: Scene, **values: object) -> dict[str, object]:
    return {"slug": "legal", "reviewers": [scene.world.team.pk], "quorum": 2, "ttl": "30m", "bulk_limit": 0, **values}


def test_a_queue_is_created_changed_and_deleted(scene: Scene, visit: Visit) -> None:
    url, client = reverse("admin:approvals_queue_create"), visit(scene.world.operator)
    above = {"confirm_value": "820.00", "confirm_currency": "USD"}
    assert client.post(url, form(scene, edits="on", **above)).status_code == 302
    queue = Queue.objects.get(slug="legal")
    assert (queue.quorum, queue.ttl_seconds, queue.edits, queue.owner_may_approve) == (2, 1800, True, False)
    assert client.post(url, form(scene)).status_code == 409
    for bad in ({"slug": "Not one"}, {"ttl": "soon"}, {"ttl": "31d"}, {"reviewers": []}, {"confirm_value": "x"}):
        assert client.post(url, form(scene, slug="bad") | bad).status_code == 422, bad
    edit = page_of(queue, "edit")
    assert client.post(edit, over(client, edit, form(scene, quorum=9))).status_code == 302
    assert "cannot be reached" in client.get(page_of(queue)).content.decode()
    assert client.post(page_of(queue, "delete")).status_code == 302
    kinds = set(Entry.objects.values_list("kind", flat=True))
    assert {"queue.created", "queue.changed", "queue.deleted"} <= kinds


def test_a_queue_that_is_named_or_was_used_stays(scene: Scene, visit: Visit) -> None:
    client, queue = visit(scene.world.admin), Queue.objects.get(slug="outreach")
    assert "none: nothing new" not in client.get(page_of(queue)).content.decode()
    scene.hold()
    page = client.get(page_of(queue)).content.decode()
    assert "email.send by job-applier" in page
    assert "job-applications/mail" in page
    refused = client.post(page_of(queue, "delete"))
    assert (refused.status_code, "Published rules send" in refused.content.decode()) == (409, True)
    assert Queue.objects.filter(slug="outreach").exists()


@pytest.mark.parametrize("role", ["owner", "reviewer", "auditor", "stranger"])
def test_others_change_no_queue(scene: Scene, visit: Visit, role: str) -> None:
    client, queue = visit(getattr(scene.world, role)), Queue.objects.get(slug="outreach")
    before = Entry.objects.count()
    for url, data in (
        (reverse("admin:approvals_queue_create"), form(scene)),
        (page_of(queue, "edit"), form(scene)),
        (page_of(queue, "delete"), {}),
    ):
        assert client.post(url, data).status_code in {403, 404, 422}, url
    assert Entry.objects.count() == before
    assert not Queue.objects.filter(slug="legal").exists()
