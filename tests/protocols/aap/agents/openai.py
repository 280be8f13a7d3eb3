"""An agent of the OpenAI Agents SDK: its model calls one tool, then repeats what came back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from agentapprovalprotocol import AsyncClient, Receiver
from agentapprovalprotocol.openai_agents import FRAMEWORK, Approvals
from agents import Agent, FunctionTool, RunState, Usage
from agents.items import ModelResponse
from agents.models.interface import Model
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from tests.protocols.aap.agents.common import CALL_ID, RUN, Order, read_order, tell


class Stub(Model):
    """Stands for a model."""

    def __init__(self, order: Order) -> None:
        self.order = order

    async def get_response(self, *_args: Any, input: Any, **_options: Any) -> ModelResponse:
        """Call the tool, or say what it said."""
        results = [each for each in input if isinstance(each, dict) and each.get("type") == "function_call_output"]
        output: Any
        if results:
            text = ResponseOutputText(text=str(results[-1]["output"]), type="output_text", annotations=[])
            output = ResponseOutputMessage(
                id="m1", type="message", role="assistant", status="completed", content=[text]
            )  # fmt: skip
        else:
            output = ResponseFunctionToolCall(
                type="function_call", call_id=CALL_ID, name=self.order.tool,
                arguments=json.dumps(self.order.arguments),
            )  # fmt: skip
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_args: Any, **_options: Any) -> AsyncIterator[Any]:
        """Stream nothing.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError


async def main(order: Order) -> None:
    """Begin, or go on."""

    async def act(_context: Any, arguments: str) -> str:
        return order.act(**json.loads(arguments))

    schema = {"type": "object", "properties": {name: {} for name in order.arguments}}
    tool = FunctionTool(
        name=order.tool, description="Does it.", params_json_schema=schema, on_invoke_tool=act,
        strict_json_schema=False,
    )  # fmt: skip
    agent = Agent(name="assistant", model=Stub(order), tools=[tool])
    mode: Any = order.mode
    approvals = Approvals(
        order.base, order.token, mode=mode,
        save=lambda _run, text: order.keep(text.encode()), load=lambda _run: order.state.read_text(),
    )  # fmt: skip
    approvals.protect(agent)
    if not order.wake:
        result = await approvals.run(agent, "Do it.", run_id=RUN)
        if order.mode == "sync":
            tell(str(result.final_output))
            return
    else:
        client = AsyncClient(order.base, order.token)
        await Receiver(resumers={FRAMEWORK: approvals.resumer(agent)}, client=client).wake(order.wake)
    state = await RunState.from_string(agent, order.state.read_text())
    waits = state.get_interruptions()
    stored = json.loads(order.state.read_text())
    tell("" if waits else json.dumps(stored), "pending" if waits else "")


if __name__ == "__main__":
    asyncio.run(main(read_order()))
