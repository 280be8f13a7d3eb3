"""The demonstration's agent: a process of its own that knows nothing but an address and a key.

Run as ``python player.py``; the address comes as the first argument, the key on standard
input, so that no process list shows it. Standard library only, as any agent could be.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

FORM = "https://jobs.example.com/apply"
LOOK_ALIKE = "https://jobs.example.com.evil.test/apply"


class Client:
    """One agent's calls.

    Args:
        base: address of the control plane, without a slash at the end.
        key: the agent's key.
    """

    def __init__(self, base: str, key: str) -> None:
        self.base = base
        self.key = key

    def call(
        self, method: str, path: str, body: Any = None, *, idempotency_key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Make one call.

        Returns:
            The HTTP status and the JSON answer.
        """
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            f"{self.base}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        if idempotency_key:
            request.add_header("Idempotency-Key", idempotency_key)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ask(self, action: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Ask leave for an action under a fresh idempotency key."""
        return self.call("POST", "/api/v1/actions", action, idempotency_key=str(uuid.uuid4()))


def say(status: int, what: str, answer: dict[str, Any]) -> None:
    """Tell one step to the person who watches."""
    effect = answer.get("effect") or answer.get("state") or answer.get("code") or "ok"
    reasons = " ".join(reason["text"] for reason in answer.get("reasons", []))
    sys.stdout.write(f"  {status}  {effect:<10} {what}{'  — ' + reasons if reasons else ''}\n")
    sys.stdout.flush()


def play(client: Client) -> None:
    """Fill in forms, be refused what is not allowed, and ask for an email that people must approve."""
    began = datetime.now(UTC)  # noqa: TID251 - an agent of its own, without Django
    run = str(uuid.uuid4())
    client.call(
        "POST",
        "/api/v1/runs",
        {
            "event_id": run,
            "trigger": {"source": "demonstration", "detail": "controlplane demo"},
            "task": "apply for jobs",
            "started_at": began.isoformat(),
            "status": "running",
        },
    )
    form = {"url": FORM, "fields": {"name": "Ada Example", "position": "Engineer"}}
    action = {"verb": "form.submit", "payload": form, "run_id": run, "step": "form.submit", "task": "apply for jobs"}
    status, allowed = client.ask(action)
    say(status, f"form.submit to {FORM}", allowed)
    if status == 200 and allowed["effect"] == "allow":
        outcome = client.call("POST", f"/api/v1/actions/{allowed['id']}/outcome", {"status": "succeeded"})
        say(outcome[0], "outcome of the form", outcome[1])
    refused = {"verb": "form.submit", "payload": {**form, "url": LOOK_ALIKE}, "run_id": run}
    say(*_named(client.ask(refused), f"form.submit to {LOOK_ALIKE}"))
    say(*_named(client.ask({"verb": "invoice.pay", "payload": {}, "run_id": run}), "invoice.pay, an unknown verb"))
    mail = {"to": ["jane@acme.example"], "subject": "Application", "body": "Dear Jane, please find attached …"}
    wrong = {"verb": "email.send", "destination": "email:bob@acme.example", "payload": mail, "run_id": run}
    say(*_named(client.ask(wrong), "email.send, declared to somebody else than in the payload"))
    asked = {
        "verb": "email.send",
        "payload": mail,
        "purpose": "The form asked for a short introduction by mail.",
        "provenance": {"/body": "web"},
        "run_id": run,
        "step": "email.send",
    }
    status, held = client.ask(asked)
    say(status, "email.send, held for people", held)
    if "approval" in held:
        sys.stdout.write(f"       decide it at {held['approval']['url']}\n")
    _report(client, run, began, allowed)


def _named(answer: tuple[int, dict[str, Any]], what: str) -> tuple[int, str, dict[str, Any]]:
    return answer[0], what, answer[1]


def _report(client: Client, run: str, began: datetime, allowed: dict[str, Any]) -> None:
    """Report the steps of the run, with what its model call used."""
    step = {
        "type": "step",
        "event_id": str(uuid.uuid4()),
        "run_id": run,
        "name": "write introduction",
        "kind": "llm",
        "started_at": began.isoformat(),
        "duration_ms": 1840,
        "status": "succeeded",
        "usage": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "input_uncached": 1200,
            "cache_read": 0,
            "cache_write": 0,
            "output": 350,
            "reasoning": 0,
        },
    }
    if "id" in allowed:
        step["action_id"] = allowed["id"]
    ended = {
        "type": "run",
        "event_id": run,
        "trigger": {"source": "demonstration", "detail": "controlplane demo"},
        "task": "apply for jobs",
        "started_at": began.isoformat(),
        "ended_at": (began + timedelta(seconds=4)).isoformat(),
        "status": "succeeded",
        "output_summary": "One form submitted, one email waits for approval.",
    }
    say(*_named(client.call("POST", "/api/v1/ingest", {"items": [step, ended]}), "run, step and usage reported"))


if __name__ == "__main__":
    play(Client(sys.argv[1].rstrip("/"), sys.stdin.readline().strip()))
