"""A small HTTP load generator: keep-alive connections, one request in flight on each.

Runs in a process of its own (``python -m tests.benchmarks.load``), reads its order as JSON from
standard input and prints what it measured, so that it shares no interpreter with the server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back.

    Attributes:
        rate: answers per second.
        p50: median latency, milliseconds.
        p99: 99th percentile of the latency, milliseconds.
        statuses: answers by HTTP status.
    """

    rate: float
    p50: float
    p99: float
    statuses: dict[str, int]


def measure(
    *, port: int, path: str, connections: int, seconds: float, requests: list[dict[str, Any]] | None = None
) -> Measured:
    """Load one path of a server on this machine.

    Args:
        port: on loopback.
        path: the path.
        connections: how many at once.
        seconds: how long, after one second of warm-up.
        requests: ``{headers, body}`` to be sent in turn, POST; None: GET. ``{n}`` in a header becomes
            a number that never comes twice.
    """
    order = {
        "port": port, "path": path, "connections": connections, "seconds": seconds, "requests": requests,
        "start": time.time_ns(),
    }  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"], input=json.dumps(order), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return Measured(**json.loads(finished.stdout))


class _Load:
    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.next = order["start"]
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.begins = time.perf_counter() + 1.0
        self.ends = self.begins + order["seconds"]

    def request(self) -> bytes:
        self.next += 1
        requests = self.order["requests"]
        if not requests:
            return f"GET {self.order['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        one = requests[self.next % len(requests)]
        headers = "".join(f"{name}: {value}\r\n" for name, value in one["headers"].items())
        body = one["body"].encode()
        head = (
            f"POST {self.order['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers.replace('{n}', str(self.next))}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.order["port"])
        while (now := time.perf_counter()) < self.ends:
            writer.write(self.request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            await reader.readexactly(length)
            done = time.perf_counter()
            if now >= self.begins:
                self.latencies.append(done - now)
                status = head[9:12].decode()
                self.statuses[status] = self.statuses.get(status, 0) + 1
        writer.close()

    async def run(self) -> Measured:
        await asyncio.gather(*(self.connection() for _ in range(self.order["connections"])))
        self.latencies.sort()
        count = len(self.latencies)
        return Measured(
            rate=count / self.order["seconds"],
            p50=1000 * self.latencies[count // 2],
            p99=1000 * self.latencies[min(count - 1, int(count * 0.99))],
            statuses=self.statuses,
        )


def main() -> None:
    """Read the order, load, print."""
    found = asyncio.run(_Load(json.load(sys.stdin)).run())
    sys.stdout.write(json.dumps({"rate": found.rate, "p50": found.p50, "p99": found.p99, "statuses": found.statuses}))


if __name__ == "__main__":
    main()
