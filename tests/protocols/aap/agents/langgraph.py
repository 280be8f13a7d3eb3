"""A LangGraph agent: its model calls one tool, then repeats what came back."""

from __future__ import annotations

import asyncio
import pickle
from collections import defaultdict
from typing import Any

from agentapprovalprotocol import AsyncClient, Receiver
from agentapprovalprotocol.langgraph import INTERRUPT_KEY, ApprovalMiddleware, resumer
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from tests.protocols.aap.agents.common import CALL_ID, RUN, Order, read_order, tell

CONFIG: Any = {"configurable": {"thread_id": RUN}}


class Stub(BaseChatModel):
    """Stands for a model."""

    tool: str
    arguments: dict[str, Any]

    @property
    def _llm_type(self) -> str:
        return "stub"

    def bind_tools(self, *_args: Any, **_options: Any) -> Any:
        """Take the tools as known."""
        return self

    def _generate(self, messages: list[BaseMessage], *_args: Any, **_options: Any) -> ChatResult:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            said = AIMessage(content=str(last.content))
        else:
            call = {"name": self.tool, "args": self.arguments, "id": CALL_ID}
            said = AIMessage(content="I will do it.", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])


def _saver(order: Order) -> InMemorySaver:
    """Return a checkpointer that goes on where the last process stopped."""
    saver = InMemorySaver()
    if order.state.exists():
        storage, writes, blobs = pickle.loads(order.state.read_bytes())
        for thread, spaces in storage.items():
            saver.storage[thread] = defaultdict(dict, spaces)
        saver.writes.update(writes)
        saver.blobs.update(blobs)
    return saver


def _save(order: Order, saver: InMemorySaver) -> None:
    storage = {thread: dict(spaces) for thread, spaces in saver.storage.items()}
    order.keep(pickle.dumps((storage, dict(saver.writes), dict(saver.blobs))))


async def main(order: Order) -> None:
    """Begin, or go on."""
    saver = _saver(order)

    def act(**arguments: Any) -> str:
        return order.act(**arguments)

    schema = {
        "type": "object", "title": order.tool, "description": "Does it.",
        "properties": {name: {} for name in order.arguments},
    }  # fmt: skip
    tool = StructuredTool(name=order.tool, description="Does it.", func=act, args_schema=schema)
    mode: Any = order.mode
    approvals = ApprovalMiddleware(order.base, order.token, mode=mode)
    model = Stub(tool=order.tool, arguments=order.arguments)
    graph = create_agent(model, tools=[tool], middleware=[approvals], checkpointer=saver)
    if order.wake:
        client = AsyncClient(order.base, order.token)
        await Receiver(resumers={"langgraph": resumer(graph)}, client=client).wake(order.wake)
    else:
        await graph.ainvoke({"messages": [("user", "Do it.")]}, CONFIG)
    _save(order, saver)
    state = await graph.aget_state(CONFIG)
    waits = [each.value[INTERRUPT_KEY] for each in state.interrupts]
    tell("" if waits else str(state.values["messages"][-1].content), waits[0] if waits else "")


if __name__ == "__main__":
    asyncio.run(main(read_order()))
