"""A Pydantic AI agent: its model calls one tool, then repeats what came back."""

from __future__ import annotations

import asyncio
from typing import Any

from agentapprovalprotocol import AsyncClient, Receiver
from agentapprovalprotocol.pydantic_ai import (
    FRAMEWORK,
    ApprovalCapability,
    pending_request_ids,
    resumer,
)
from pydantic_ai import Agent, DeferredToolRequests, Tool
from pydantic_ai.conversation import ConversationTypeAdapter
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.protocols.aap.agents.common import CALL_ID, Order, read_order, tell


def _stub(order: Order) -> FunctionModel:
    """Return what stands for a model."""

    def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        last = messages[-1]
        results = [part for part in last.parts if isinstance(part, ToolReturnPart)] if isinstance(
            last, ModelRequest
        ) else []  # fmt: skip
        if results:
            return ModelResponse(parts=[TextPart(content=str(results[-1].content))])
        return ModelResponse(parts=[ToolCallPart(order.tool, order.arguments, tool_call_id=CALL_ID)])

    return FunctionModel(answer)


def _stored(order: Order) -> Any:
    return ConversationTypeAdapter.validate_json(order.state.read_bytes())


async def main(order: Order) -> None:
    """Begin, or go on."""

    async def act(**arguments: Any) -> str:
        return order.act(**arguments)

    schema = {"type": "object", "properties": {name: {} for name in order.arguments}, "additionalProperties": True}
    tool: Any = Tool.from_schema(act, name=order.tool, description="Does it.", json_schema=schema)
    mode: Any = order.mode
    approvals = ApprovalCapability(order.base, order.token, mode=mode)
    agent: Any = Agent(
        _stub(order), tools=[tool], capabilities=[approvals], output_type=[str, DeferredToolRequests]
    )  # fmt: skip
    if order.wake:

        def save(conversation: Any) -> None:
            order.keep(ConversationTypeAdapter.dump_json(conversation))

        resume = resumer(
            agent, load=lambda _id: ConversationTypeAdapter.validate_json(order.state.read_bytes()), save=save
        )
        client = AsyncClient(order.base, order.token)
        await Receiver(resumers={FRAMEWORK: resume}, client=client).wake(order.wake)
        conversation = _stored(order)
    else:
        result = await agent.run("Do it.")
        conversation = result.conversation
        order.keep(ConversationTypeAdapter.dump_json(conversation))
    waits = list(pending_request_ids(conversation.deferred_tool_requests).values())
    tell("" if waits else str(conversation), waits[0] if waits else "")


if __name__ == "__main__":
    asyncio.run(main(read_order()))
