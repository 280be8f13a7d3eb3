"""A crew of processes that start together and report what they saw.

The test builds the world, then `run` starts one process per order against the same database.
They are forked from a server that has loaded Django once, wait for each other, do their job
(`tests.journeys.jobs`) and send back what it returns.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from django.conf import settings
from django.db import connection

MOST_SECONDS = 300


def run(job: str, orders: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Run one process per order, all at once.

    Args:
        job: name of a function in `tests.journeys.jobs`.
        orders: its arguments, for each process.

    Returns:
        What each process returned, in the order of the orders.
    """
    connection.close()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.journeys.preload", "tests.journeys.jobs"])
    start = context.Barrier(len(orders))
    database = {name: connection.settings_dict[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    crew, ends = [], []
    for order in orders:
        ours, theirs = context.Pipe(duplex=False)
        member = context.Process(target=_work, args=(job, dict(order), database, settings.KEY_PEPPERS, start, theirs))
        member.start()
        theirs.close()
        crew.append(member)
        ends.append(ours)
    try:
        said = [_receive(end) for end in ends]
    finally:
        for member in crew:
            member.join(timeout=10)
            member.kill()
    failures = [text for text, _ in said if text]
    assert not failures, failures[0]
    return [value for _, value in said]


def _receive(end: Connection) -> tuple[str, Any]:
    if not end.poll(MOST_SECONDS):
        return "a process did not end in time", None
    try:
        received: tuple[str, Any] = end.recv()
    except EOFError:
        return "a process died", None
    return received


def _work(
    job: str,
    order: dict[str, Any],
    database: dict[str, str],
    peppers: dict[str, bytes],
    start: Barrier,
    end: Connection,
) -> None:
    """Live one process: take over the test's database and secrets, wait for the others, do the job."""
    from tests.journeys import jobs

    try:
        connection.settings_dict.update(database)
        settings.KEY_PEPPERS = peppers
        connection.ensure_connection()
        start.wait(timeout=60)
        end.send(("", getattr(jobs, job)(**order)))
    except BaseException:  # noqa: BLE001 - told to the test
        end.send((traceback.format_exc(), None))
    finally:
        connection.close()
