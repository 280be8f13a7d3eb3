"""What console tests look at: a small installation built by production's own road."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from approvals.models import ApprovalRequest
from approvals.operations import save_queue
from audit import sql
from controlplane import gateway
from controlplane.gateway.answers import Answer
from costs.models import Budget, CostRollup
from costs.operations import rollups, save_budget
from policies.models import Decision
from policies.operations import publish_set
from registry.authentication import authenticate
from tests.costs.spending import spend
from tests.world import World, make_world

BIDI = "Application \u202eEngineer"
SCRIPT = '<script>alert("owned")</script>'
POLICIES: dict[str, Any] = {
    "job-applications": {
        "applies_to": {"agents": ["job-applier"]},
        "mode": "enforce",
        "rules": [
            {
                "allow": {
                    "name": "submit",
                    "verb": "form.submit",
                    "destination": "https://jobs.example.com/*",
                    "batch": 25,
                }
            },
            {"review": {"name": "mail", "verb": "email.**", "queue": "outreach"}},
            {"limit": {"name": "pace", "verb": "form.submit", "units": 200, "per": "1d", "by": "agent"}},
            {"forbid": {"name": "no-money-in-chat", "data_class": "financial", "destination": "slack:*"}},
        ],
        "tests": [
            {
                "action": {"verb": "email.send", "payload": {"to": ["a@example.com"]}},
                "at": "2026-11-23T10:00:00+01:00",
                "expect": "review",
            }
        ],
    }
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The world of `tests.world` at the present moment, with a queue, a policy and a budget."""

    world: World
    now: datetime

    def ask(self, **body: Any) -> Answer:
        """Ask as the agent; a fresh idempotency key each time unless one is given."""
        principal = authenticate(self.world.text, now=self.now)
        assert principal is not None
        key = body.pop("key", f"k{Decision.objects.count()}")
        return gateway.ask(principal=principal, key=key, raw=json.dumps(body).encode())

    def hold(
        self, subject: str = "Application", to: tuple[str, ...] = ("jane@acme.com",), **body: Any
    ) -> ApprovalRequest:
        """Have an email held."""
        payload = {"to": list(to), "subject": subject, "body": "Dear Jane,\nplease find enclosed …"}
        answer = self.ask(verb="email.send", payload=payload, **body)
        assert answer.effect == "review", answer
        return ApprovalRequest.objects.get(decision=answer.id)

    def submit(self, url: str = "https://jobs.example.com/apply") -> Decision:
        """Ask to submit a form."""
        return Decision.objects.get(pk=self.ask(verb="form.submit", payload={"url": url}).id)

    def spend(self, cents: int, *, days_ago: int = 0, **facts: Any) -> None:
        """Record a model call that costs so many cents."""
        spend(self.world.agent, cents, now=self.now - timedelta(days=days_ago), **facts)

    def budget(self, slug: str = "talent-month", **values: Any) -> Budget:
        """Save a budget of the team, 200 US dollars a month unless `values` say otherwise."""
        whom = {} if "agent" in values else {"team": "talent"}
        document = {**whom, "per": "month", "limit_usd": "200.00", **values}
        save_budget(slug=slug, document=document, by=self.world.admin, now=self.now)
        return Budget.objects.get(slug=slug)

    def roll_up(self) -> None:
        """Sum usage, as the schedule does."""
        rollups.roll_up(now=self.now)
        assert CostRollup.objects.exists()


def make_scene(*, quorum: int = 1) -> Scene:
    """Build the scene."""
    now = sql.now()
    world = make_world(now=now)
    save_queue(
        slug="outreach", reviewers=["talent"], quorum=quorum, ttl_seconds=24 * 3600, edits=True,
        editor_may_approve=False, owner_may_approve=True, by=world.admin, now=now,
    )  # fmt: skip
    publish_set(policies=POLICIES, queues=["outreach"], by=world.admin, now=now, reason="The first rules.")
    return Scene(world, now)
