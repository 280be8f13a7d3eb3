"""An agent whose framework speaks the Agent Approval Protocol, and the people who decide."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.test import Client

from approvals.models import ApprovalRequest
from approvals.states import Verdict
from audit import sql
from controlplane.apply import apply_document
from tests.controlplane.api.scene import make_ruled_world
from tests.reviewing import read_and_vote
from tests.world import World

TOOLS = """
verbs:
  form.submit: {capability: write, destination: {at: /url}, tools: [submit_form]}
  email.send:
    capability: notify
    destination: {at: /to/*, as: email}
    units: count
    data_classes: [pii]
    tools: [send_email, {tool: send, server: mail}]
  payment.transfer:
    {capability: execute, destination: {at: /account, as: account}, amount: {at: /amount}, tools: [pay]}
  tool.unmapped: {capability: notify, review: outreach}
"""
FORM: dict[str, Any] = {
    "tool": "submit_form", "arguments": {"url": "https://jobs.example.com/apply", "name": "Ada"}, "timeout": "10m",
}  # fmt: skip
MAIL: dict[str, Any] = {
    "tool": "send_email", "arguments": {"to": ["jane@acme.com"], "body": "Dear Jane"}, "timeout": "10m",
    "agent_reasoning": "She asked for it.", "context": {"call_id": "c1", "resume": None},
}  # fmt: skip
_numbers = count()


def make_world() -> World:
    """Build a ruled world whose verbs stand for tools."""
    world = make_ruled_world()
    apply_document(text=TOOLS, by=world.admin, now=sql.now(), dry_run=False)
    return world


def decide(request_id: str, world: World, verdict: Verdict = Verdict.APPROVE, comment: str = "") -> None:
    """Have the reviewer decide what a request waits for."""
    held = ApprovalRequest.objects.get(decision=request_id)
    read_and_vote(held, by=world.reviewer, verdict=verdict, comment=comment)


@dataclass(frozen=True, slots=True)
class Framework:
    """What calls for an agent, in this process.

    Attributes:
        client: Django's client; it raises nothing that the server would have answered.
        headers: sent with every call.
    """

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None,
             **headers: str) -> Any:  # fmt: skip
        """Call below ``/aap/v1``; `raw` is sent as it is."""
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key is not None:
            given["Idempotency-Key"] = key
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        content_type = given.pop("Content-Type", "application/json")
        address = path if path.startswith("/aap") else f"/aap/v1{path}"
        return self.client.generic(method, address, data, content_type=content_type, headers=given)

    def ask(self, key: str, submission: Any = MAIL) -> Any:
        """Submit."""
        return self.send("POST", "/requests", submission, key=key)

    def consume(self, request_id: str, key: str) -> Any:
        """Take leave."""
        return self.send("POST", f"/requests/{request_id}/consume", key=key)

    def report(self, request_id: str, **body: Any) -> Any:
        """Report an outcome."""
        return self.send("POST", f"/requests/{request_id}/outcome", body)


def framework(text: str) -> Framework:
    """Return what calls with a key."""
    # An address each: whoever is refused often is slowed down by address.
    address = f"198.19.{next(_numbers) // 250 % 250}.{next(_numbers) % 250}"
    client = Client(enforce_csrf_checks=True, raise_request_exception=False, REMOTE_ADDR=address)
    return Framework(client, {"Authorization": f"Bearer {text}"} if text else {})


def error(answer: Any, status: int, code: str, kind: str | None = None) -> dict[str, Any]:
    """Return the error of an answer; fail unless it is a whole one."""
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    assert answer["Content-Type"] == "application/json"
    found = json.loads(answer.content)
    assert set(found) == {"error"}
    told: dict[str, Any] = found["error"]
    assert set(told) - {"param"} == {"type", "code", "message", "request_id"}
    assert told["code"] == code, told
    assert told["message"]
    assert told["request_id"] == answer["X-Request-ID"]
    assert kind is None or told["type"] == kind, told
    return told
