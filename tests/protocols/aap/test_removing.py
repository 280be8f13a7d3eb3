"""A receiver that is removed while it is being told; on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest
from django.db import connections, transaction

from audit import sql
from audit.operations import seal
from controlplane.delivery.models import Delivery
from controlplane.delivery.readers import follow
from controlplane.protocols.aap.events import READER
from tests.delivery.sink import Sink
from tests.protocols.aap.scene import FORM, Framework, framework, make_world
from tests.protocols.aap.test_instances import _expecting, _provision, _wanted
from tests.together import WAIT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def _remove(agent: Framework, identity: str) -> int:
    try:
        return int(agent.send("DELETE", f"/instances/{identity}").status_code)
    finally:
        connections.close_all()


def test_what_is_written_for_a_receiver_while_it_is_removed_is_never_sent(sink: Sink) -> None:
    agent, written, goes_on = framework(make_world().text), Event(), Event()
    identity = _provision(agent, _wanted(sink, _expecting(sink)))["instance"]["id"]
    agent.ask("a", FORM)
    seal(now=sql.now())

    def tell() -> Any:
        try:
            with transaction.atomic():
                read = follow(READER, now=sql.now())
                written.set()
                assert goes_on.wait(WAIT)
            return read.messages
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        telling = threads.submit(tell)
        assert written.wait(WAIT)
        removing = threads.submit(_remove, agent, identity)
        # It waits for those who tell, and here for nothing else.
        assert not wait([removing], timeout=0.5).done
        goes_on.set()
        assert (telling.result(WAIT), removing.result(WAIT)) == (1, 204)
    assert [row.state for row in Delivery.objects.all()] == ["cancelled"]
