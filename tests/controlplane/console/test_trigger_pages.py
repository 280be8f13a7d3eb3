"""Triggers in the console: written beside their sentence, tried, watched, armed again."""

from __future__ import annotations

from typing import Any

import pytest

from audit import sql
from audit.actors import System
from audit.operations import record, seal
from controlplane.console.admins import list_of, page_of
from policies.models import Firing, Trigger
from policies.operations import save_trigger, watch
from policies.operations.triggers import definition_of
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import SCRIPT, Scene

pytestmark = pytest.mark.slow
CREATE = "/policies/trigger/do/create/"
TERMS = {"count": "denials", "scope": "agent", "name": "job-applier", "more_than": "2", "per": "1h", "mode": "shadow",
         "note": ""}  # fmt: skip


def read(trigger: Trigger) -> dict[str, str]:
    """Return what the form holds of what was read."""
    trigger.refresh_from_db()
    return {"seen": definition_of(trigger).full_digest}


def saved(scene: Scene, **changes: Any) -> Trigger:
    document = {"count": "denials", "agent": "job-applier", "more_than": 1, "per": "1h", "mode": "warn", **changes}
    return save_trigger(slug="many", document=document, by=scene.world.admin, now=sql.now(), try_first=True)


def fire(scene: Scene) -> Firing:
    now = sql.now()
    for _ in range(2):
        record(
            kind="action.decided", object_type="action", object_id="x", by=System("tests"), now=now, team="talent",
            agent="job-applier", outcome="deny", details={"codes": ["no_rule"]},
        )  # fmt: skip
    seal(now=now, everything=True)
    assert watch(now=now) == 1
    return Firing.objects.get()


def test_the_form_says_in_words_what_it_would_do(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.operator)
    shown = client.get(CREATE, {**TERMS, "more_than": "7"}).content.decode()
    assert "Fires at more than 7 denials of the agent job-applier within one hour." in shown
    assert 'hx-target="#sentence"' in shown
    assert "Not complete" in client.get(CREATE, {**TERMS, "name": ""}).content.decode()
    hostile = client.get(CREATE, {**TERMS, "name": SCRIPT}).content.decode()
    assert SCRIPT not in hostile


def test_a_trigger_is_written_tried_and_let_enforce(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.operator)
    assert client.post(CREATE, {**TERMS, "slug": "many"}).status_code == 302
    trigger = Trigger.objects.get()
    assert read(trigger)["seen"] in client.get(page_of(trigger, "edit")).content.decode()
    for mode in ("warn", "enforce"):
        early = client.post(page_of(trigger, "edit"), {**TERMS, **read(trigger), "mode": mode})
        assert early.status_code == 422
        assert "Try exactly this on history first" in early.content.decode()
    assert client.post(page_of(trigger, "try"), {}).status_code == 302
    assert "It would not have fired" in client.get(page_of(trigger)).content.decode()
    assert client.post(page_of(trigger, "edit"), {**TERMS, **read(trigger), "mode": "enforce"}).status_code == 302
    trigger.refresh_from_db()
    assert trigger.mode == "enforce"
    assert "only people let go on" in client.get(page_of(trigger)).content.decode()
    assert "job-applier" in client.get(list_of(Trigger)).content.decode()


def test_a_form_over_what_somebody_else_changed_is_refused(scene: Scene, visit: Visit) -> None:
    trigger = saved(scene)
    before = read(trigger)
    saved(scene, note="Meanwhile")
    client = visit(scene.world.operator)
    late = client.post(page_of(trigger, "edit"), {**TERMS, **before})
    assert late.status_code == 412
    assert "Read what it says now" in late.content.decode()
    assert client.post(page_of(trigger, "edit"), TERMS).status_code == 422
    trigger.refresh_from_db()
    assert trigger.note == "Meanwhile"


def test_who_may_not_is_told_and_has_no_buttons(scene: Scene, visit: Visit) -> None:
    trigger = saved(scene)
    for who in ("owner", "auditor"):
        client = visit(getattr(scene.world, who))
        assert client.get(page_of(trigger)).status_code == 200
        assert client.post(page_of(trigger, "edit"), {**TERMS, **read(trigger), "mode": "off"}).status_code == 403
        assert client.get(CREATE).status_code == 403
        assert CREATE not in client.get(list_of(Trigger)).content.decode()
    assert CREATE in visit(scene.world.operator).get(list_of(Trigger)).content.decode()
    assert visit(scene.world.stranger).get(page_of(trigger)).status_code == 404
    assert visit(scene.world.reviewer).get(list_of(Trigger)).status_code == 403


def test_a_firing_is_shown_and_armed_again(scene: Scene, visit: Visit) -> None:
    saved(scene)
    firing, client = fire(scene), visit(scene.world.operator)
    page = client.get(page_of(firing)).content.decode()
    assert "2 denials in 60 minutes" in page
    assert "many for job-applier" in client.get(list_of(Firing)).content.decode()
    assert "2 denials" in client.get(page_of(firing.trigger)).content.decode()
    assert visit(scene.world.owner).post(page_of(firing, "rearm"), {}).status_code == 403
    assert client.post(page_of(firing, "rearm"), {}).status_code == 302
    firing.refresh_from_db()
    assert (firing.state, firing.rearmed_by) == ("rearmed", scene.world.operator)
