"""Sends secrets through every input of the product, as a careless agent or person would."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from controlplane import gateway
from tests.controlplane.api.callers import Caller, agent, nobody, person
from tests.controlplane.api.scene import FORM, MAIL, Scene, principal, run, step
from tests.secrets.canaries import FORMS, Canary


def reports(canary: Canary, number: int) -> Iterator[dict[str, Any]]:
    """Yield reports that hold a secret in every free text and in every payload."""
    text = f"it said {canary.text}"
    name = f"leak-{number}"
    yield run(
        name, status="failed", task=text[:120] if len(text) <= 120 else "t", output_summary=text,
        trigger={"source": "webhook", "detail": text}, error={"type": "Error", "message": text},
    )  # fmt: skip
    yield step(
        f"{name}-step", name, error={"type": "Error", "message": text}, name=text if len(text) <= 200 else "n",
        input={"deep": [{"said": text}], canary.text: 1}, output=text,
    )  # fmt: skip


def report_everything(scene: Scene) -> None:
    """Report runs and steps, one by one and in a batch."""
    caller = agent(scene.world.text)
    for number, canary in enumerate(FORMS):
        items = list(reports(canary, number))
        for item in items:
            answer = caller.send("POST", "/ingest", {"items": [item]})
            (result,) = answer.json()["results"]
            assert result["status"] == "created", result


def ask_everything(scene: Scene) -> None:
    """Ask, report and acknowledge with secrets in every free text, never in the payload."""
    caller = agent(scene.world.text)
    for number, canary in enumerate(FORMS):
        text = f"because {canary.text}"
        short = {"step": text, "task": text} if len(text) <= 200 else {}
        body = {**FORM, "purpose": text, **short}
        answer = caller.send("POST", "/actions", body, Idempotency_Key=f"ask-{number}")
        assert answer.status_code == 200, answer.content
        outcome = {"status": "failed", "note": text}
        assert caller.send("POST", f"/actions/{answer.json()['id']}/outcome", outcome).status_code == 200
        for field in ("run_id", "executor", "capability", "surplus"):
            caller.send("POST", "/actions", {**FORM, field: canary.text}, Idempotency_Key=f"bad-{field}-{number}")
        if canary.text.isascii() and canary.text.isprintable():
            caller.send("POST", "/actions", FORM, Idempotency_Key=canary.text)
            caller.send(
                "POST",
                "/actions",
                FORM,
                Idempotency_Key=f"h{number}",
                X_Request_ID=canary.text[:64],
                Referer=canary.text,
            )


def refuse_everything(scene: Scene) -> None:
    """Send secrets where they are refused: in keys, addresses, queries, broken bodies, wrong fields."""
    machine, admin = agent(scene.world.text), person(scene.world.admin)
    for canary in FORMS:
        word = canary.text.replace("\n", " ").replace("/", "%2F").replace("?", "%3F").replace("#", "%23")
        for caller in (machine, admin, nobody()):
            for path in (
                f"/{word}",
                f"/runs/{word}",
                f"/agents/{word}",
                f"/keys/{word}",
                f"/agents?owner={word}",
                f"/self?{word}=1",
            ):
                caller.get(path)
        nobody().send("GET", "/self", Authorization=f"Bearer {canary.text}".replace("\n", " "))
        machine.send("POST", "/actions", raw=b'{"verb": "' + canary.text.encode() + b'", ', Idempotency_Key="broken")
        machine.send("POST", "/actions", {canary.text: canary.text}, Idempotency_Key="unknown")
        admin.client.get(f"/{word}/")
        admin.client.get("/runs/run/", {"q": canary.text, "password": canary.text})
        admin.client.get(f"/registry/agent/{word}/")
    key = scene.world.text
    for path in (f"/runs/{key}", f"/{key}", f"/agents?owner={key}"):
        machine.get(path)
        admin.get(path)
    machine.send("POST", "/actions", {**FORM, "purpose": key, "task": key, "run_id": key}, Idempotency_Key="own-key")
    machine.send("POST", "/actions", FORM, Idempotency_Key=key)
    machine.send("POST", "/actions", FORM, Idempotency_Key="hdr", X_Api_Key=key, Cookie=f"key={key}")


def operate_with_secrets(scene: Scene) -> None:
    """Write secrets into what people type: reasons, comments, notes, documents."""
    admin, reviewer = person(scene.world.operator), person(scene.world.reviewer)
    for canary in FORMS:
        text = f"why: {canary.text}"
        admin.send("POST", "/agents/job-applier/pause", {"reason": text})
        admin.send("POST", "/agents/job-applier/resume", {"reason": text})
    held = reviewer.get(f"/approvals/{scene.held.pk}")
    body = {"verdict": "approve", "digest": held.json()["digest"], "comment": FORMS[2].text}
    reviewer.send("POST", f"/approvals/{scene.held.pk}/votes", body, If_Match=held["ETag"])


def sign_in(password: Canary, wrong: Canary, username: str) -> tuple[Caller, str, str]:
    """Log in through the console's form; return the caller, the session's and the CSRF token."""
    caller = nobody()
    client = caller.client
    client.get("/login/")
    for text in (wrong.text, password.text):
        token = client.cookies["csrftoken"].value
        client.post("/login/?next=/", {"username": username, "password": text, "csrfmiddlewaretoken": token})
    return caller, client.cookies["sessionid"].value, client.cookies["csrftoken"].value


def create_user(username: str, password: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``createuser --password-stdin``."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password.text}\n"))
    call_command("createuser", username, "--role", "operator", "--password-stdin", stdout=io.StringIO())


def hold_with_secrets(scene: Scene) -> list[str]:
    """Have actions held whose payloads hold secrets; return their ids. The exact bytes are what people approve."""
    found = []
    for number, canary in enumerate(FORMS):
        payload = {**MAIL["payload"], "body": canary.text}
        raw = json.dumps({**MAIL, "payload": payload}).encode()
        found.append(str(gateway.ask(principal=principal(scene.world), key=f"held-{number}", raw=raw).id))
    return found
