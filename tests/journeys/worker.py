"""One member of a crew: ``python -m tests.journeys.worker JOB``; see `tests.journeys.crew`."""

from __future__ import annotations

import json
import sys

import django

django.setup()

from tests.journeys import jobs  # noqa: E402 - the apps must be loaded first


def main() -> None:
    """Read the order, wait for the start, do the job, print what was seen."""
    order = json.loads(sys.stdin.readline())
    job = getattr(jobs, sys.argv[1])
    jobs.warm_up()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(job(**order)))


main()
