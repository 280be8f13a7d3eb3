"""The installation that the faults meet, built by production's road: two agents, two reviewers, limits, budgets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest, Grant
from approvals.operations import cancel_request
from approvals.operations.opening import current_revision
from audit import sql
from controlplane.apply import apply_document
from registry.models import Agent, User
from registry.operations import issue_key
from registry.states import Role
from tests.controlplane.api.callers import Caller, agent, person
from tests.world import make_admin, make_person

DOCUMENT = Path(__file__).with_name("stage.yaml")
FORM: dict[str, Any] = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}, "units": 2}
MAIL: dict[str, Any] = {"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}
NOTE: dict[str, Any] = {"verb": "note.add", "destination": "slack:#hiring"}
READ: dict[str, Any] = {"verb": "report.read", "destination": "https://reports.example.com/1"}
SCOPES = ["act", "ingest", "read:self"]


@dataclass(frozen=True, slots=True)
class Held:
    """An action that waits for people.

    Attributes:
        action: id of the decision.
        approval: id of the request.
        digest: of the bytes that wait.
    """

    action: UUID
    approval: UUID
    digest: str


@dataclass(slots=True)
class Stage:
    """Who takes part, and what they do on the way to a fault; none of this meets one."""

    admin: User
    key: str
    executor_key: str
    agent: Caller
    executor: Caller
    reviewer: Caller
    second: Caller
    document: str
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def name(self) -> str:
        """Return a word that nobody used before."""
        return f"name-{next(self.numbers):05d}-once"

    def ask(self, **action: Any) -> dict[str, Any]:
        """Ask, and be answered."""
        answer = self.agent.send("POST", "/actions", action, Idempotency_Key=self.name())
        assert answer.status_code in {200, 202}, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def make_room(self) -> None:
        """Close what waits: an agent may have fifty requests waiting."""
        for request in ApprovalRequest.objects.open().select_related("agent"):
            cancel_request(request=request, by=self.admin, now=sql.now(), reason="making room")

    def hold(self) -> Held:
        """Have a mail held."""
        if ApprovalRequest.objects.open().count() >= 20:
            self.make_room()
        answer = self.ask(**MAIL)
        assert answer["effect"] == "review", answer
        return Held(UUID(answer["id"]), UUID(answer["approval"]["id"]), answer["digest"])

    def read(self, caller: Caller, held: Held) -> None:
        """Open the bytes: what is approved was read."""
        answer = caller.get(f"/approvals/{held.approval}")
        assert answer.status_code == 200, answer.content

    def vote(self, caller: Caller, held: Held, verdict: str = "approve", revision: int = 1) -> Any:
        """Vote on what is held."""
        return caller.send(
            "POST", f"/approvals/{held.approval}/votes", {"verdict": verdict, "digest": held.digest, "comment": ""},
            If_Match=f'"{revision}"',
        )  # fmt: skip

    def approve(self, held: Held, revision: int = 1) -> Held:
        """Have both reviewers approve."""
        for caller in (self.reviewer, self.second):
            self.read(caller, held)
            answer = self.vote(caller, held, revision=revision)
            assert answer.status_code == 200, answer.content
        assert Grant.objects.filter(decision=held.action, state="issued").exists()
        return held

    def edit(self, held: Held) -> Held:
        """Have what is held edited by an editor who does not vote, and return the new bytes' digest."""
        answer = edit(self.second, held)
        assert answer.status_code == 200, answer.content
        request = ApprovalRequest.objects.get(pk=held.approval)
        return Held(held.action, held.approval, current_revision(request).digest)


def edit(caller: Caller, held: Held) -> Any:
    """Change the recipients of a mail that is held."""
    return caller.send(
        "PUT", f"/approvals/{held.approval}/action", {"payload": {"to": ["bob@acme.com"], "body": "Dear Bob"}},
        If_Match='"1"',
    )  # fmt: skip


def build(admin: User | None = None) -> Stage:
    """Apply the stage's document and let everybody in.

    Args:
        admin: the administrator, where there is one already.
    """
    now = sql.now()
    admin = admin or make_admin(now=now)
    make_person("talent-lead", Role.OWNER, now=now)
    reviewer = make_person("talent-reviewer", Role.REVIEWER, now=now)
    second = make_person("second-reviewer", Role.REVIEWER, now=now)
    # It is about noon where the budgets count: no day and no month ends while one looks what a statement does.
    document = DOCUMENT.read_text(encoding="utf-8").replace("zone: UTC", f"zone: Etc/GMT{now.hour - 12:+d}")
    apply_document(text=document, by=admin, now=now, dry_run=False)
    keys = [
        issue_key(
            agent=Agent.objects.get(slug=slug), environment="production", scopes=SCOPES, by=admin, now=now
        )[1]
        for slug in ("job-applier", "form-filler")
    ]  # fmt: skip
    stage = Stage(
        admin, keys[0], keys[1], agent(keys[0]), agent(keys[1]), person(reviewer), person(second), document,
    )  # fmt: skip
    # Whoever speaks for the first time has more written down than afterwards, and caches fill.
    assert stage.ask(**NOTE)["effect"] == "allow"
    stage.vote(stage.second, stage.approve(stage.hold()))
    assert stage.executor.get("/self").status_code == 200
    return stage
