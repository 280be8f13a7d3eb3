"""The pump: claims what is due, sends it side by side, writes down what came of it.

HTTP runs on an event loop in a thread of its own, hundreds of calls at a time with hard deadlines; the database is
spoken to by the calling thread alone. What hangs holds its own slots: an endpoint, a host or an agent never has more
than a few.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog

from controlplane.delivery import notifying
from controlplane.delivery.judging import Outcome
from controlplane.delivery.operations.claims import Job, claim, settle
from controlplane.delivery.states import Means
from controlplane.outgoing import Guard, Unreachable, UnsafeUrl

# Calls at a time, and to one place: an endpoint, a host, an agent's receivers.
MOST, EACH = 256, 16
_RESOLVERS = 64
# A pass ends after this, so that a worker that is told to stop does, and the next one begins afresh.
PASS_SECONDS = 20.0
_TICK_SECONDS = 0.05

logger = structlog.get_logger(__name__)


def send_due(*, guard: Guard, clock: Callable[[], datetime], seconds: float = PASS_SECONDS) -> int:
    """Send everything that is due, until nothing is or the time is over; calls that run are waited for.

    Args:
        guard: the way out.
        clock: asked for the time of each claim and each outcome.
        seconds: how long new work is taken on.

    Returns:
        How many attempts were made.
    """
    until = time.monotonic() + seconds
    running: dict[Future[Outcome], Job] = {}
    done = 0
    with _event_loop() as start:
        while True:
            if time.monotonic() < until and len(running) < MOST:
                busy = Counter(place for job in running.values() for place in job.places)
                for job in claim(now=clock(), most=MOST - len(running), each=EACH, busy=busy):
                    running[start(_send(job, guard))] = job
            if not running:
                return done
            finished, _ = wait(running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            ended = [(running.pop(future), future.result()) for future in finished]
            if ended:
                done += settle(ended=ended, now=clock())


async def _send(job: Job, guard: Guard) -> Outcome:
    """Make one attempt; whatever goes wrong is an outcome."""
    began = time.monotonic()
    try:
        if job.error:
            return Outcome(None, job.error)
        if job.means == Means.NOTICE:
            return await notifying.send(job.url, job.body, guard=guard)
        reply = await guard.post(job.url, body=job.body.encode(), headers=job.headers)
    except UnsafeUrl:
        return Outcome(None, "the address is not admitted or does not resolve", milliseconds=_since(began))
    except Unreachable as error:
        return Outcome(None, str(error), milliseconds=_since(began))
    except Exception as error:  # noqa: BLE001  # one message that cannot be sent must not stop the others
        logger.warning("a delivery failed unexpectedly", delivery=str(job.delivery_id), error=type(error).__name__)
        return Outcome(None, "it could not be sent", milliseconds=_since(began))
    return Outcome(reply.status, "", reply.text, reply.retry_after, reply.milliseconds)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


Start = Callable[[Coroutine[Any, Any, Outcome]], "Future[Outcome]"]


@contextmanager
def _event_loop() -> Iterator[Start]:
    """Run an event loop in a thread for the block; what it yields starts a call there."""
    loop = asyncio.new_event_loop()
    # Resolvers that hang keep threads: with asyncio's few, one bad name would hold up everybody's.
    threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
    loop.set_default_executor(threads)
    thread = threading.Thread(target=loop.run_forever, name="deliveries", daemon=True)
    thread.start()
    try:
        yield lambda call: asyncio.run_coroutine_threadsafe(call, loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        threads.shutdown(wait=False, cancel_futures=True)
        loop.close()
