"""What the agents of the three frameworks share: an order, a tool that leaves a mark, and no way to the network.

Each of them is a process of its own, as agents are, so that ending one and starting another is a restart::

    python -m tests.protocols.aap.agents.langgraph '{"base": …, "token": …, …}'
"""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# For the environment of each: nobody is told what they do.
QUIET: Final = {
    "OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
    "OPENAI_API_KEY": "none",
}  # fmt: skip
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
CALL_ID: Final = "call-1"
RUN: Final = "run-1"


@dataclass(frozen=True, slots=True)
class Order:
    """What one process is to do.

    Attributes:
        base: the provider's AAP base URL.
        token: the agent's key.
        mode: ``sync`` or ``async``.
        tool: name of the tool that the model calls.
        arguments: with which.
        folder: where effects and a paused run's state are kept.
        wake: id of the request whose run is to go on; empty: begin.
    """

    base: str
    token: str
    mode: str
    tool: str
    arguments: dict[str, Any]
    folder: str
    wake: str = ""

    @property
    def state(self) -> Path:
        """Where a paused run lies."""
        return Path(self.folder) / "state"

    def keep(self, state: bytes) -> None:
        """Keep a paused run, in one step: another process may read it now."""
        fresh = self.state.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(state)
        fresh.replace(self.state)

    def act(self, **arguments: Any) -> str:
        """Run the tool: leave one line."""
        with (Path(self.folder) / "effects").open("a") as effects:
            effects.write(json.dumps(arguments, sort_keys=True) + "\n")
        return "The tool ran."


def read_order() -> Order:
    """Read the order; from then on, this process reaches this machine alone."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
            raise ConnectionRefusedError(f"{address} is not this machine")
        connect(self, address)

    socket.socket.connect = connect_here  # type: ignore[method-assign,assignment]
    return Order(**json.loads(sys.argv[1]))


def tell(final: str, waits_for: str = "") -> None:
    """Say how it ended: the model's last words, or the request that the run waits for."""
    print(json.dumps({"final": final, "waits_for": waits_for}))
