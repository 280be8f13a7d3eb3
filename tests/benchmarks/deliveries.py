"""How many webhooks a second go out to a receiver on this machine, and how long an event is under way.

``python -m tests.benchmarks.deliveries [--events 2000] [--postgres]``. A receiver that answers at once runs in a
process of its own. Prints: events read and written down a second; deliveries a second by one sender, to one endpoint
and to twenty; the same while an endpoint that never answers hangs beside them; and, one event at a time, the time from
its commit to its arrival when readers and sender run at once, without the schedule's wait of up to a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import django

from tests.benchmarks.replay import _child, _database

_NAME = "sink.test"


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=2_000)
    options.add_argument("--postgres", action="store_true")
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.inside:
        _inside(chosen.events)
        return
    home = Path(tempfile.mkdtemp(prefix="bench-deliveries-"))
    try:
        with _database(postgresql=chosen.postgres, home=home) as url:
            _child(home, url, "-c", "from controlplane import environment, keyring; keyring.ensure(environment.read())")
            _child(home, url, "manage.py", "migrate", "--verbosity", "0")
            print(f"{'PostgreSQL' if chosen.postgres else 'SQLite'}, {chosen.events:,} events", flush=True)
            _child(home, url, "-m", "tests.benchmarks.deliveries", "--inside", "--events", str(chosen.events))
    finally:
        shutil.rmtree(home, ignore_errors=True)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


class _Handler(BaseHTTPRequestHandler):
    arrivals: Any = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/hang"):
            time.sleep(30)
        if self.path.startswith("/timed"):
            self.arrivals.put(time.time())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


def _serve(port: Any, arrivals: Any) -> None:
    _Handler.arrivals = arrivals
    server = _Server(("127.0.0.1", 0), _Handler)
    port.put(server.server_port)
    server.serve_forever()


def _inside(events: int) -> None:  # noqa: C901 - a script, read from top to bottom
    django.setup()
    # After django.setup(): models cannot be imported before.
    from audit import sql
    from audit.operations import record, seal
    from controlplane.delivery.models import Delivery, Endpoint
    from controlplane.delivery.operations import Wanted, create_endpoint, disable_endpoint
    from controlplane.delivery.readers.fanout import FANOUT
    from controlplane.delivery.readers.following import follow
    from controlplane.delivery.sending import send_due
    from controlplane.outgoing import Guard
    from tests.world import INSTALLATION, make_admin

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    process = multiprocessing.get_context("spawn")
    ports, arrivals = process.Queue(), process.Queue()
    server = process.Process(target=_serve, args=(ports, arrivals), daemon=True)
    server.start()
    port = ports.get()
    guard = Guard(frozenset({_NAME}), resolve=resolve)
    admin = make_admin(now=sql.now())

    def connect(name: str, path: str = "hook") -> Endpoint:
        wanted = Wanted(name, f"http://{_NAME}:{port}/{path}", kinds=["bench.done"])
        return create_endpoint(wanted=wanted, team=None, by=admin, now=sql.now(), guard=guard).endpoint

    def happen(number: int) -> None:
        for _ in range(number):
            record(kind="bench.done", object_type="bench", object_id="1", by=INSTALLATION, now=sql.now())

    def read_on() -> int:
        while seal(now=sql.now(), everything=True):
            pass
        read = 0
        while (step := follow(FANOUT, now=sql.now())).entries:
            read += step.messages
        return read

    def send(label: str) -> None:
        began, cpu = time.monotonic(), time.process_time()
        sent = send_due(guard=guard, clock=sql.now, seconds=600)
        seconds = time.monotonic() - began
        each = (time.process_time() - cpu) * 1000 / max(sent, 1)
        print(f"  {label}: {sent:,} in {seconds:.1f} s = {sent / seconds:,.0f}/s, {each:.1f} ms CPU each", flush=True)

    read_on()
    first = connect("one")
    happen(events)
    began = time.monotonic()
    written = read_on()
    print(f"  sealed, read and written down: {written / (time.monotonic() - began):,.0f}/s", flush=True)
    send("one endpoint")
    disable_endpoint(endpoint=first, reason="", by=admin, now=sql.now())
    twenty = [connect(f"n{number}") for number in range(20)]
    happen(events // 20)
    read_on()
    send("twenty endpoints")
    hanging = connect("hanging", "hang")
    happen(events // 20)
    read_on()
    well = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while Delivery.objects.open().exclude(endpoint=hanging).exists():
            time.sleep(0.1)
        print(f"  beside one that hangs, the twenty were done after {time.monotonic() - began:.1f} s", flush=True)
        well.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    send("twenty and one that hangs")
    watcher.join()
    for endpoint in (*twenty, hanging):
        endpoint.refresh_from_db()
        disable_endpoint(endpoint=endpoint, reason="", by=admin, now=sql.now())
    read_on()
    connect("timed", "timed")
    lags = []
    for _ in range(200):
        happen(1)
        began = time.time()
        read_on()
        send_due(guard=guard, clock=sql.now)
        lags.append(arrivals.get(timeout=10) - began)
    lags.sort()
    median, late = statistics.median(lags) * 1000, lags[int(len(lags) * 0.99)] * 1000
    print(f"  from commit to arrival, one at a time: median {median:.0f} ms, p99 {late:.0f} ms")
    server.terminate()


if __name__ == "__main__":
    main()
