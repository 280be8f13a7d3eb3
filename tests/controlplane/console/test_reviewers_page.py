"""The page of reviewers' figures, and queues that begin as a template."""

from __future__ import annotations

import pytest
from django.urls import reverse

from approvals.models import Queue
from audit.models import Entry
from controlplane.console.admins import page_of
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import send
from tests.forms import over

pytestmark = pytest.mark.slow


def test_figures_of_the_period_stand_on_the_page(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    client = visit(scene.world.reviewer)
    client.get(page_of(request))
    assert send(client, request, "approve").status_code == 302
    scene.hold()
    admin, url = visit(scene.world.admin), reverse("admin:reviewers")
    shown = admin.get(url).content.decode()
    assert "talent-reviewer" in shown
    assert "1 of 1" in shown
    assert "No reviewer matches" in admin.get(f"{url}?q=nobody").content.decode()
    assert "talent-reviewer" not in admin.get(f"{url}?after=talent-reviewer").content.decode()
    assert "in 90 days" in admin.get(f"{url}?days=90&q=%00talent").content.decode()
    assert "in 30 days" in admin.get(f"{url}?days=x").content.decode()


@pytest.mark.parametrize(("role", "status"), [("operator", 200), ("auditor", 200), ("owner", 403), ("reviewer", 403)])
def test_who_sees_the_figures(scene: Scene, visit: Visit, role: str, status: int) -> None:
    client = visit(getattr(scene.world, role))
    assert client.get(reverse("admin:reviewers")).status_code == status
    assert ("/reviewers/" in client.get("/approvals/queue/").content.decode()) == (status == 200)


def test_a_template_makes_a_queue_in_one_step(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.operator), reverse("admin:approvals_queue_template")
    form = {"template": "high-risk", "reviewers": [scene.world.team.pk]}
    assert client.post(url, form | {"escalate_to": Queue.objects.get(slug="outreach").pk}).status_code == 302
    queue = Queue.objects.get(slug="high-risk")
    assert (queue.quorum, queue.bulk_limit, queue.owner_may_approve, queue.matches) == (
        2, 0, False, {"risk": ["critical", "high"], "team": ["talent"]},
    )  # fmt: skip
    assert (queue.escalate_after_seconds, queue.escalate_to) == (3600, Queue.objects.get(slug="outreach"))
    assert client.post(url, form).status_code == 409
    assert client.post(url, form | {"slug": "other-risks"}).status_code == 302
    assert client.post(url, form | {"template": "none"}).status_code == 422
    shown = client.get(page_of(queue)).content.decode()
    assert "after 60m" in shown or "after 1h" in shown
    assert "risk critical or high" in shown
    assert Entry.objects.filter(kind="queue.created", object_id="high-risk").count() == 1


def test_a_queues_new_terms_are_edited_in_the_form(scene: Scene, visit: Visit) -> None:
    client, queue = visit(scene.world.operator), Queue.objects.get(slug="outreach")
    form = {"reviewers": [], "people": [scene.world.reviewer.pk], "quorum": 1, "ttl": "24h", "bulk_limit": 0}
    takes = {"take_verb": "email.**", "take_risk": ["high"], "take_value": "500.00", "take_currency": "EUR"}
    edit = page_of(queue, "edit")
    assert client.post(edit, over(client, edit, form | takes)).status_code == 403
    takes["take_team"] = "talent"
    assert client.post(edit, over(client, edit, form | takes | {"capacity": 9})).status_code == 302
    queue.refresh_from_db()
    assert queue.matches == {
        "verb": ["email.**"], "risk": ["high"], "amount_over": {"value": "500.00", "currency": "EUR"},
        "team": ["talent"],
    }  # fmt: skip
    assert (queue.capacity, list(queue.voters())) == (9, [scene.world.reviewer])
    for bad in ({"people": []}, {"escalate_after": "1h"}, {"take_verb": "e*mail"}, {"take_value": "x"}):
        assert client.post(edit, over(client, edit, form | bad)).status_code == 422, bad
    assert client.get(edit).content.decode().count('value="email.**"') == 1
    assert client.post(edit, over(client, edit, form | takes | {"capacity": 9})).status_code == 302
    assert Entry.objects.filter(kind="queue.changed").count() == 1
