"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

# Below the range from which Linux takes the ports of outgoing connections: one of those, and one that was closed in
# the last minute, keeps a server from listening. An installation's lane listens on the next port.
_FIRST, _LAST = 20_000, 32_000
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a port on which nobody listens, nor on the next.

    Raises:
        OSError: none of a thousand is free.
    """
    for _ in range(1_000):
        port = _chance.randrange(_FIRST, _LAST)
        if _is_free(port) and _is_free(port + 1):
            return port
    raise OSError("no free port was found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
