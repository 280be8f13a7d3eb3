"""A small installation for journeys, built by production's road: `createuser`, `apply`, `issue_key`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from audit import sql
from controlplane.apply import apply_document
from registry.models import Agent, User
from registry.operations import issue_key
from registry.states import Role
from tests.world import PASSWORD, make_admin, make_person

EXAMPLE = Path(__file__).with_name("example.yaml")
SCOPES = ["act", "ingest", "read:self"]


@dataclass(frozen=True, slots=True)
class Installation:
    """What was built.

    Attributes:
        admin: administrator, who applied the document.
        key: text of the agent's production key.
    """

    admin: User
    key: str

    @property
    def agent(self) -> Agent:
        """The example's agent."""
        return Agent.objects.select_related("team").get(slug="job-applier")


def build(document: str | None = None) -> Installation:
    """Apply the example (or another document) and issue a key."""
    now = sql.now()
    admin = make_admin(now=now)
    make_person("talent-lead", Role.OWNER, now=now)
    make_person("talent-reviewer", Role.REVIEWER, now=now)
    make_person("second-reviewer", Role.REVIEWER, now=now)
    text = document if document is not None else EXAMPLE.read_text(encoding="utf-8")
    # Journeys run at any hour of any day: the opening hours have tests of their own.
    without_hours = "\n".join(line for line in text.splitlines() if "- hours:" not in line)
    apply_document(text=without_hours, by=admin, now=now, dry_run=False)
    agent = Agent.objects.get(slug="job-applier")
    _, key = issue_key(agent=agent, environment="production", scopes=SCOPES, by=admin, now=now)
    return Installation(admin, key)


class AgentClient:
    """An agent over HTTP.

    Args:
        base: address of the server.
        key: text of the key.
    """

    def __init__(self, base: str, key: str) -> None:
        self.http = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def ask(self, key: str, **action: Any) -> httpx.Response:
        """Ask leave."""
        return self.http.post("/api/v1/actions", json=action, headers={"Idempotency-Key": key})

    def redeem(self, action_id: str, digest: str, key: str) -> httpx.Response:
        """Redeem."""
        return self.http.post(
            f"/api/v1/actions/{action_id}/redeem", json={"digest": digest}, headers={"Idempotency-Key": key}
        )

    def outcome(self, action_id: str, **body: Any) -> httpx.Response:
        """Report what came of it."""
        return self.http.post(f"/api/v1/actions/{action_id}/outcome", json=body)


class Person:
    """A person over HTTP, signed in through the console's form.

    Args:
        base: address of the server.
        username: who.
    """

    def __init__(self, base: str, username: str) -> None:
        self.http = httpx.Client(base_url=base, timeout=30, follow_redirects=True)
        self.http.get("/login/")
        answer = self.http.post(
            "/login/",
            data={
                "username": username,
                "password": PASSWORD,
                "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
            },
            headers={"Referer": base},
        )
        assert "sessionid" in self.http.cookies, answer.text[:2000]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call the API in this person's session."""
        sent = {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": str(self.http.base_url), **headers}
        return self.http.request(method, path, json=body, headers=sent)
