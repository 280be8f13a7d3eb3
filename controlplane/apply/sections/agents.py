"""``agents:`` who they are, and the bounds of what they may do."""

from __future__ import annotations

from typing import Any

from audit.refusals import Conflict, Invalid, Problem, invalid
from controlplane.apply.reading import optional_text, text_list
from controlplane.apply.sections.base import Applying, Entries, Part, each, person_named
from registry import operations
from registry.documents import Section
from registry.models import Agent, Team
from registry.states import AgentState, Capability, Enforcement


def _check(section: Section) -> None:
    section.text("name")
    section.text("owner")
    section.text("team")
    optional_text(section, "purpose", empty=True)
    text_list(section, "capabilities", choices=Capability.values)
    text_list(section, "data_scopes")
    text_list(section, "tags")
    section.choice("enforcement", Enforcement.values)


def _read() -> dict[str, Any]:
    agents = Agent.objects.exclude(state=AgentState.RETIRED).select_related("owner", "team")
    return {agent.slug: operations.agent_facts(agent) for agent in agents.order_by("slug")}


def _hold(_: Entries) -> None:
    operations.hold_agents()


def _write(entries: Entries, applying: Applying) -> None:
    retired = set(Agent.objects.filter(state=AgentState.RETIRED, slug__in=entries).values_list("slug", flat=True))
    for slug, entry in entries.items():
        with applying.entry(slug):
            if slug in retired:
                raise Conflict(f"{slug} is retired for good; take it out of the document.")
            given = {"name": slug, **applying.present.get(slug, {}), **entry}
            missing = [
                Problem(f"/{key}", "missing", f"A new agent needs “{key}”.")
                for key in ("owner", "team")
                if key not in given
            ]
            if missing:
                raise Invalid("A new agent needs an owner and a team.", errors=missing)
            operations.save_agent(
                slug=slug,
                name=given["name"],
                owner=person_named(given["owner"], "/owner"),
                team=_team(given["team"]),
                purpose=given.get("purpose") or "",
                capabilities=given.get("capabilities", []),
                data_scopes=given.get("data_scopes", []),
                tags=given.get("tags", []),
                enforcement=given.get("enforcement", Enforcement.ADVISORY),
                by=applying.by,
                now=applying.now,
            )


def _team(slug: str) -> Team:
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise invalid("/team", "unknown_team", f"There is no team {slug}.")
    return team


AGENTS = Part("agents", each(_check), _read, _write, _hold)
