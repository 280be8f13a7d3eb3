"""Replays in the console: asked for at a draft, watched, read before publishing, kept with the publication."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit import sql
from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from controlplane.operating.replaying import work_off
from policies.models import Replay, Revision
from policies.operations import publish_set, save_draft, start_replay
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import BIDI, Scene

pytestmark = pytest.mark.slow
STRICT: dict[str, Any] = {"strict": {"rules": [{"forbid": {"name": "none", "verb": "form.submit"}}]}}


def draft(scene: Scene) -> Revision:
    return save_draft(policies=STRICT, by=scene.world.admin, now=scene.now)


def replayed(scene: Scene, revision: Revision) -> Replay:
    now = sql.now()
    replay = start_replay(revision=revision, since=now - timedelta(days=1), until=now, by=scene.world.admin, now=now)
    while work_off(replay_id=replay.pk):
        pass
    replay.refresh_from_db()
    return replay


def test_a_replay_is_asked_for_watched_and_cancelled(scene: Scene, visit: Visit) -> None:
    scene.submit()
    client, revision = visit(scene.world.admin), draft(scene)
    assert "Recorded decisions of" in client.get(page_of(revision, "replay")).content.decode()
    answer = client.post(page_of(revision, "replay"), {"days": "7"})
    replay = Replay.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page_of(replay))
    shown = client.get(page_of(replay)).content.decode()
    assert 'hx-trigger="every 2s"' in shown
    assert "waiting for the worker" in shown
    assert client.post(page_of(replay, "cancel"), {}).status_code == 302
    replay.refresh_from_db()
    assert replay.state == "cancelled"
    assert "hx-trigger" not in client.get(page_of(replay)).content.decode()


def test_a_period_of_ones_own_is_replayed_and_its_defects_are_told_beside_the_fields(
    scene: Scene, visit: Visit
) -> None:
    client, url = visit(scene.world.admin), page_of(draft(scene), "replay")
    begin, end = "2026-03-01 00:00", "2026-03-08 12:30"
    assert client.post(url, {"days": "30", "since": begin, "until": end}).status_code == 302
    replay = Replay.objects.get()
    assert replay.since == datetime(2026, 3, 1, tzinfo=UTC)
    assert replay.until == datetime(2026, 3, 8, 12, 30, tzinfo=UTC)
    recent = (sql.now() - timedelta(days=2)).replace(microsecond=0)
    assert client.post(url, {"days": "30", "since": recent.isoformat(), "until": ""}).status_code == 302
    second = Replay.objects.exclude(pk=replay.pk).get()
    assert (second.since, second.until) == (recent, second.created_at)
    for sent, said in (
        ({"since": "", "until": end}, "Say from when as well."),
        ({"since": end, "until": begin}, "The period must end after it begins."),
        ({"since": begin, "until": "9000-01-01 00:00"}, "The period must be over."),
        ({"since": "2024-01-01 00:00", "until": end}, "A replay covers at most 400 days."),
        ({"since": "yesterday", "until": ""}, "Enter a valid date/time."),
    ):
        refused = client.post(url, {"days": "30", **sent})
        assert refused.status_code == 422, sent
        assert said in [str(each) for errors in refused.context["form"].errors.values() for each in errors], sent
    assert Replay.objects.count() == 2


def test_the_page_tells_what_would_be_otherwise(scene: Scene, visit: Visit) -> None:
    scene.submit()
    scene.hold(BIDI)
    replay = replayed(scene, draft(scene))
    shown = visit(scene.world.admin).get(page_of(replay)).content.decode()
    assert "2 newly blocked" in shown
    assert "strict, none (1)" in shown
    assert "job-applier (2)" in shown
    assert "newly ✕2 ✓0 ◐0" in visit(scene.world.auditor).get(list_of(Replay)).content.decode()
    for who in ("operator", "owner", "reviewer"):
        assert visit(getattr(scene.world, who)).get(page_of(replay)).status_code in {403, 404}


def test_publishing_shows_the_replay_of_exactly_this_text_and_keeps_it(scene: Scene, visit: Visit) -> None:
    scene.submit()
    revision, client = draft(scene), visit(scene.world.admin)
    assert "No replay of exactly this text" in client.get(page_of(revision, "publish")).content.decode()
    replay = replayed(scene, revision)
    dialog = client.get(page_of(revision, "publish")).content.decode()
    assert "newly ✕1" in dialog
    assert f'value="{replay.pk}"' in dialog
    assert "newly ✕1" in client.get(page_of(revision)).content.decode()
    sent = {"seen": revision.digest, "replay": str(replay.pk), "reason": "Stricter"}
    assert client.post(page_of(revision, "publish"), sent).status_code == 302
    revision.refresh_from_db()
    assert [(each["id"], each["newly_blocked"]) for each in revision.replays] == [(str(replay.pk), 1)]
    entry = Entry.objects.get(kind="policy_revision.published", object_id=str(revision.number))
    assert str(replay.pk) in entry.details


def test_a_replay_of_another_text_is_not_taken_for_one_of_this(scene: Scene, visit: Visit) -> None:
    other = replayed(scene, draft(scene))
    revision = save_draft(policies={}, by=scene.world.admin, now=scene.now)
    sent = {"seen": revision.digest, "replay": str(other.pk), "reason": "Stricter"}
    answer = visit(scene.world.admin).post(page_of(revision, "publish"), sent)
    assert answer.status_code == 422
    revision.refresh_from_db()
    assert revision.state == "draft"


def test_without_a_replay_publishing_works_as_before(scene: Scene) -> None:
    publish_set(policies=STRICT, queues=["outreach"], by=scene.world.admin, now=sql.now(), reason="x")
    assert Revision.objects.get(state="published").replays == []
