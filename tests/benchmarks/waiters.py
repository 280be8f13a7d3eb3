"""A thousand clients that wait, in a process of their own: ``python -m tests.benchmarks.waiters``.

Reads its order (a line of JSON) from standard input, opens the polls, says ``ready``, and opens a poll again whenever
it is answered, as clients do. ``wake N`` withdraws that many of the actions, one after the other, and prints how long
after each withdrawal its poll was answered, in milliseconds; ``quit`` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

WAIT_SECONDS = 60


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


class _Waiters:
    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.answered: dict[str, float] = {}
        self.woken = {action["id"]: asyncio.Event() for action in order["actions"]}
        self.asked = 0
        self.odd: list[str] = []

    def _request(self, method: str, action: dict[str, str], query: str = "") -> bytes:
        path = f"/api/v1/actions/{action['id']}{query}"
        return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {action['key']}\r\n\r\n".encode()

    async def poll(self, action: dict[str, str]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.order["lane"])
        try:
            while True:
                writer.write(self._request("GET", action, f"?wait={WAIT_SECONDS}"))
                self.asked += 1
                status, body = await _read(reader)
                if status != 200:
                    self.odd.append(f"{status} {body[:200]!r}")
                    await asyncio.sleep(1)
                elif json.loads(body)["approval"]["state"] != "pending":
                    self.answered[action["id"]] = time.perf_counter()
                    self.woken[action["id"]].set()
                    return
        finally:
            writer.close()

    async def wake(self, actions: list[dict[str, str]]) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.order["web"])
        waited = []
        for action in actions:
            writer.write(self._request("DELETE", action))
            status, body = await _read(reader)
            done = time.perf_counter()
            assert status == 200, body
            await self.woken[action["id"]].wait()
            waited.append(1000 * (self.answered[action["id"]] - done))
        writer.close()
        return waited

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        actions: list[dict[str, str]] = self.order["actions"]
        polls = []
        for number, action in enumerate(actions):
            polls.append(asyncio.create_task(self.poll(action)))
            if number % 50 == 49:
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        _say("ready")
        while (line := (await loop.run_in_executor(None, sys.stdin.readline)).split()) and line[0] == "wake":
            some, actions = actions[: int(line[1])], actions[int(line[1]) :]
            _say(json.dumps(await self.wake(some)))
        for poll in polls:
            poll.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*polls, return_exceptions=True)
        _say(json.dumps({"asked": self.asked, "odd": self.odd[:5]}))


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_Waiters(json.loads(sys.stdin.readline())).run())
