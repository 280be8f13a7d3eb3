"""Signs of life of the processes beside the web server: beat, which sends periodic tasks, worker, sender and lane.

Beat sends ``operating.heartbeat`` every few seconds and leaves a stamp as it does; the worker that runs the task leaves
another, and so does the sender with a task of its own. The streaming lane leaves one from its event loop. A stamp is a
key in the broker that expires after a day: the time it has left says how old it is, so that only one clock counts, the
broker's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from kombu import Connection

from controlplane.addresses import celery_url

BEAT, WORKER, LANE, SENDER = "beat", "worker", "lane", "sender"
PROCESSES = (BEAT, WORKER, LANE, SENDER)
TASK = "operating.heartbeat"
# Beat sends this often; three missed ones and a moment are a standstill.
EVERY_SECONDS = 5.0
LONGEST_SILENCE_SECONDS = 30
# A pass of the sender and its slowest call take longer than that.
LONGEST_SENDING_SECONDS = 60
_LIFE_MS = 24 * 60 * 60 * 1000
_BROKER_SECONDS = 2
_KEPT_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class Pulse(StrEnum):
    """What is known of a background process."""

    OK = "ok"
    STALLED = "stalled"
    UNSEEN = "unseen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Background:
    """One background process as it looks from here.

    Attributes:
        name: one of `PROCESSES`.
        pulse: what is known.
        seconds: age of its last sign of life; None where there is none.
        words: a sentence for people; ``ok`` when all is well.
    """

    name: str
    pulse: Pulse
    seconds: int | None
    words: str


def judge(ages: Mapping[str, int | None]) -> list[Background]:
    """Say of each process whether it lives (pure).

    While beat is silent worker and sender have nothing to answer, so their silence is measured against its last word.

    Args:
        ages: milliseconds since each one's last sign of life, None where there is none.
    """
    beat, worker, lane, sender = (ages.get(name) for name in PROCESSES)
    return [
        _background(BEAT, beat, late=beat or 0, doing="has sent nothing"),
        _background(WORKER, worker, late=(worker or 0) - _without_word(beat), doing="has done nothing"),
        _background(LANE, lane, late=lane or 0, doing="has shown no sign of life"),
        _background(
            SENDER, sender, late=(sender or 0) - _without_word(beat), doing="has done nothing",
            patience=LONGEST_SENDING_SECONDS,
        ),
    ]  # fmt: skip


def _without_word(beat: int | None) -> int:
    """Return the part of beat's silence that is more than its rhythm: the worker is not to blame for it."""
    if beat is None:
        return _LIFE_MS
    return beat if beat > LONGEST_SILENCE_SECONDS * 1000 else 0


def _background(
    name: str, age: int | None, *, late: int, doing: str, patience: int = LONGEST_SILENCE_SECONDS
) -> Background:
    if age is None:
        return Background(name, Pulse.UNSEEN, None, f"the {name} has not been seen")
    seconds = age // 1000
    if late > patience * 1000:
        return Background(name, Pulse.STALLED, seconds, f"the {name} {doing} for {seconds} s")
    return Background(name, Pulse.OK, seconds, "ok")


@contextmanager
def broker(url: str = "") -> Iterator[Any]:
    """Yield a client of the broker, which gives up after two seconds.

    Args:
        url: the broker's address; the installation's when left out.
    """
    # By the messaging library, which every process has loaded: the client library alone costs each start 0.3 s.
    # Left to itself it would try again for six seconds.
    options = {"socket_timeout": _BROKER_SECONDS, "socket_connect_timeout": _BROKER_SECONDS, "max_retries": 0}
    with Connection(celery_url(url or settings.REDIS_URL), transport_options=options) as connection:
        channel: Any = connection.default_channel
        yield channel.client


def stamp(name: str) -> None:
    """Leave a sign of life. A broker that is away is the broker's news: it is logged, nothing more.

    Args:
        name: one of `PROCESSES`.
    """
    try:
        with broker() as client:
            client.set(_key(name), "1", px=_LIFE_MS)
    except Exception as error:  # noqa: BLE001  # any driver may fail in its own way, and no task may fail by it
        logger.warning("no sign of life could be left", process=name, error=repr(error))


def ages() -> dict[str, int | None]:
    """Return the milliseconds since each one's last sign of life, None where there is none in a day.

    Raises:
        Exception: the broker does not answer; which one depends on the driver.
    """
    with broker() as client:
        left = {name: int(client.pttl(_key(name))) for name in PROCESSES}
    return {name: _LIFE_MS - life if life >= 0 else None for name, life in left.items()}


class Watch:
    """Keeps what was seen for a few seconds, so that every page may ask.

    Args:
        look: returns the ages.
        kept_seconds: how long an answer serves.
    """

    def __init__(self, look: Callable[[], Mapping[str, int | None]], kept_seconds: float = _KEPT_SECONDS) -> None:
        self.look = look
        self.kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._seen: list[Background] = []
        self._until = 0.0

    def seen(self) -> list[Background]:
        """Return all processes; never raises. Where the broker is away, all are unknown."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._seen = self._ask()
                # From now: a broker that is away takes seconds to say nothing.
                self._until = time.monotonic() + self.kept_seconds
            return self._seen

    def _ask(self) -> list[Background]:
        try:
            return judge(self.look())
        except Exception as error:  # noqa: BLE001  # as above; whoever draws a page must not fail by it
            logger.warning("signs of life cannot be read", error=repr(error))
            return [Background(name, Pulse.UNKNOWN, None, "the broker is away") for name in PROCESSES]


_watch = Watch(ages)


def health_of_background() -> list[Background]:
    """Return how the processes look, at most a few seconds old. Never raises: for every page's header."""
    return _watch.seen()


def _key(name: str) -> str:
    return f"controlplane:alive:{name}"
