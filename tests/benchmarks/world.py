"""The world of the benchmarks: 50 agents, 10 policies with 100 rules, a limit and a team budget over each agent."""

from __future__ import annotations

from typing import Any

import yaml

from audit import sql
from controlplane.apply import apply_document
from registry.models import Agent, Team
from registry.operations import issue_key
from registry.states import Role
from tests.world import make_admin, make_agent, make_person, make_team, make_verbs

AGENTS, POLICIES, RULES_EACH = 50, 10, 10


def _policies() -> dict[str, Any]:
    """One policy allows and limits; the others hold rules about other places, as real sets do."""
    rules: list[dict[str, Any]] = [
        {"allow": {"name": "submit", "verb": "form.submit", "destination": "https://jobs.example.com/*", "batch": 25}},
        {"limit": {"name": "pace", "verb": "form.submit", "units": 100_000_000, "per": "1s", "by": "agent"}},
    ]
    fill = [
        {"forbid": {"name": f"place-{number}", "verb": "form.submit", "destination": f"https://no-{number}.example.com/*"}}
        for number in range(POLICIES * RULES_EACH - len(rules))
    ]  # fmt: skip
    every = rules + fill
    return {
        f"policy-{number}": {"mode": "enforce", "rules": every[number * RULES_EACH : (number + 1) * RULES_EACH]}
        for number in range(POLICIES)
    }


def build() -> list[str]:
    """Build the world; return the text of one key per agent."""
    now = sql.now()
    admin = make_admin(now=now)
    owner = make_person("owner", Role.OWNER, now=now)
    team = make_team("bench", owner, lead=owner, by=admin, now=now)
    make_verbs(by=admin, now=now)
    for number in range(AGENTS):
        make_agent(f"agent-{number}", owner=owner, team=team, by=admin, now=now)
    budget = {"team": "bench", "per": "month", "zone": "UTC", "limit_usd": "100000000.00", "at_limit": "deny"}
    document = {"policies": _policies(), "budgets": {"bench-month": budget}}
    apply_document(text=_as_yaml(document), by=admin, now=now)
    keys = []
    for agent in Agent.objects.filter(team=Team.objects.get(pk=team.pk)).order_by("pk"):
        _, text = issue_key(agent=agent, environment="production", scopes=["act"], by=admin, now=now)
        keys.append(text)
    return keys


def _as_yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)
