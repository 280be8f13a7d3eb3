"""A crew of processes that start together and report what they saw.

The test builds the world, then `run` starts N copies of ``python -m tests.journeys.worker JOB``
against the same database. Each says ``ready``, waits for the common start, and prints one JSON
document when it is done.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection

from tests.engines import subprocess_environment

ROOT = Path(__file__).resolve().parents[2]


def run(job: str, orders: list[dict[str, Any]], *, home: Path) -> list[Any]:
    """Run one process per order, all at once.

    Args:
        job: name of a job in `tests.journeys.jobs`.
        orders: what each process is told.
        home: scratch folder for the processes.

    Returns:
        What each process printed, in the order of the orders.
    """
    connection.close()
    environment = subprocess_environment(CONTROLPLANE_HOME=str(home))
    crew = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.worker", job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        for _ in orders
    ]
    try:
        for worker, order in zip(crew, orders, strict=True):
            assert worker.stdin
            worker.stdin.write(json.dumps(order) + "\n")
            worker.stdin.flush()
        for worker in crew:
            assert worker.stdout
            line = worker.stdout.readline()
            assert line == "ready\n", worker.communicate()
        for worker in crew:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        said = [worker.communicate(timeout=240) for worker in crew]
    finally:
        for worker in crew:
            worker.kill()
    failures = [stderr for worker, (_, stderr) in zip(crew, said, strict=True) if worker.returncode]
    assert not failures, failures[0]
    return [json.loads(stdout) for stdout, _ in said]
