"""What needs a browser: a replay's page grows by itself, and a trigger's sentence follows its form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.live_server_helper import LiveServer

from audit import sql
from controlplane.console.admins import page_of
from controlplane.operating.replaying import work_off
from policies.models import Revision
from policies.operations import start_replay
from tests.browser import page
from tests.controlplane.console.people import log_in
from tests.controlplane.console.scene import make_scene

pytestmark = pytest.mark.browser


def test_progress_and_sentence_follow_without_a_reload(transactional_db: None, live_server: LiveServer) -> None:
    scene, now = make_scene(), sql.now()
    replay = start_replay(
        revision=Revision.objects.get(state="published"), since=now - timedelta(days=1), until=now,
        by=scene.world.admin, now=now,
    )  # fmt: skip
    with page(errors_expected=True) as opened:
        log_in(opened, live_server, scene.world.admin)
        opened.goto(f"{live_server.url}{page_of(replay)}", wait_until="load")
        assert "waiting for the worker" in opened.inner_text("#replay")
        while work_off(replay_id=replay.pk):
            pass
        opened.get_by_text("finished").wait_for()
        opened.goto(f"{live_server.url}/policies/trigger/do/create/", wait_until="load")
        opened.fill("#id_more_than", "77")
        opened.get_by_text("more than 77 denials").wait_for()
        assert opened.input_value("#id_more_than") == "77"
