"""The agent page: what may it do, did it do, did it cost?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Sum

from approvals.models import ApprovalRequest
from audit.models import Entry
from controlplane.console.admins import Button, list_of, page_of
from controlplane.console.policies.sentences import Sentence, about_agent
from controlplane.console.registry.agent_buttons import buttons_of
from controlplane.console.registry.agent_lines import (
    CommandLine,
    DecisionLine,
    KeyLine,
    LetOut,
    Live,
    Proposed,
    VersionLine,
    key_state,
    let_out_of,
    proposed,
)
from controlplane.console.registry.allowances import limits_left
from controlplane.console.registry.histories import Edited, agent_history
from controlplane.console.registry.hours import Spark, by_the_hour
from controlplane.console.runs.reading import RunLine, recent_runs, runs_url
from costs.models import CostRollup
from costs.summaries import BudgetLine, budget_tree
from costs.sums import Total
from policies.language import PolicySet, parse
from policies.models import Decision
from policies.snapshots import published
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, User
from registry.permissions import operates, owns
from registry.states import AgentState, Environment, KeyState, ReleaseState

RECENT: Final = 10
DAY: Final = timedelta(hours=24)
_SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPage:
    """Everything that the page shows.

    Attributes:
        state_reason: why it is in its state.
        reported_state: what the agent last said of itself.
        kills: kill switches in force that stop it: (scope, reason, by, since, address).
        may_do: what policy says, in sentences; without any, everything is denied.
        policy_revision: number of the published revision.
        effects: decisions of the last 24 hours by effect, with the address of their list.
        month_nanousd: spent since the first of the UTC month; `unpriced` calls have no known price.
    """

    heading: str
    slug: str
    name: str
    purpose: str
    state: str
    state_reason: str
    reported_state: str
    enforcement: str
    owner: str
    team: str
    team_url: str
    epoch: int
    capabilities: tuple[str, ...]
    data_scopes: tuple[str, ...]
    tags: tuple[str, ...]
    created_at: datetime
    last_seen_at: datetime | None
    kills: tuple[tuple[str, str, str, datetime, str], ...]
    live: tuple[Live, ...]
    may_do: tuple[Sentence, ...]
    policy_revision: int | None
    runs: tuple[RunLine, ...]
    runs_url: str
    decisions: tuple[DecisionLine, ...]
    decisions_url: str
    effects: tuple[tuple[str, int, str], ...]
    waiting: int
    waiting_url: str
    versions: tuple[VersionLine, ...]
    keys: tuple[KeyLine, ...]
    commands: tuple[CommandLine, ...]
    month_nanousd: int
    unpriced: int
    budgets: tuple[BudgetLine, ...]
    trail_url: str
    releases_url: str
    spark: Spark
    edits: tuple[Edited, ...]
    proposal: Proposed | None
    let_out: tuple[LetOut, ...]
    may_revert: bool
    is_orphaned: bool
    buttons: tuple[Button, ...]
    more: tuple[Button, ...]

    @property
    def expiring(self) -> tuple[KeyLine, ...]:
        """Keys that end soon."""
        return tuple(key for key in self.keys if key.expires_soon)


def read_agent(agent: Agent, *, user: User, now: datetime) -> AgentPage:
    """Read the page.

    Args:
        agent: visible to the person; team and owner are joined.
        user: who looks.
        now: aware UTC.
    """
    revision = published()
    policies = parse(revision.document) if revision else PolicySet({})
    by_agent = f"agent={agent.slug}"
    here = operates(user, agent.team)
    main, more = buttons_of(agent, operates=here, owns=owns(user, agent))
    spent = _spent(agent, now)
    return AgentPage(
        heading=agent.name,
        slug=agent.slug,
        name=agent.name,
        purpose=agent.purpose,
        state=agent.state,
        state_reason=agent.state_reason,
        reported_state=agent.reported_state,
        enforcement=agent.enforcement,
        owner=agent.owner.username,
        team=agent.team.slug,
        team_url=page_of(agent.team),
        epoch=agent.epoch,
        capabilities=tuple(agent.capabilities),
        data_scopes=tuple(agent.data_scopes),
        tags=tuple(agent.tags),
        created_at=agent.created_at,
        last_seen_at=agent.last_seen_at,
        kills=_kills(agent),
        live=_live(agent),
        may_do=_may_do(policies, agent, now),
        policy_revision=revision.number if revision else None,
        runs=recent_runs(agent, most=RECENT),
        runs_url=runs_url(agent),
        decisions=_decisions(agent),
        decisions_url=list_of(Decision, by_agent),
        effects=_effects(agent, now),
        waiting=ApprovalRequest.objects.in_time(now).filter(agent=agent).count(),
        waiting_url=list_of(ApprovalRequest, f"show=open&{by_agent}"),
        versions=_versions(agent),
        keys=_keys(agent, now),
        commands=_commands(agent),
        month_nanousd=spent["cost"] or 0,
        unpriced=spent["unknown"] or 0,
        budgets=tuple(
            line
            for line in budget_tree(user=user, now=now)
            if line.subject.split(" · ")[0] in {agent.slug, agent.team.slug}
        ),
        trail_url=list_of(Entry, by_agent),
        releases_url=page_of(agent, "releases"),
        spark=by_the_hour(agent, now=now),
        edits=agent_history(agent),
        proposal=proposed(agent, user, here=here),
        let_out=let_out_of(agent),
        may_revert=here and agent.state != AgentState.RETIRED,
        is_orphaned=not agent.owner.is_active,
        buttons=main,
        more=more,
    )


def _may_do(policies: PolicySet, agent: Agent, now: datetime) -> tuple[Sentence, ...]:
    """Return what policy says, with what is left of each limit."""
    found = about_agent(policies, agent=agent.slug, team=agent.team.slug, tags=frozenset(agent.tags))
    spoken = {sentence.policy for sentence in found}
    narrow = PolicySet({slug: policy for slug, policy in policies.policies.items() if slug in spoken})
    left = limits_left(narrow, agent, now=now)
    return tuple(
        replace(each, text=f"{each.text} {left[each.policy, each.rule]}.") if (each.policy, each.rule) in left else each
        for each in found
    )


def _kills(agent: Agent) -> tuple[tuple[str, str, str, datetime, str], ...]:
    rows = KillSwitch.objects.stopping(agent).select_related("thrown_by")
    return tuple((str(row), row.reason, row.thrown_by.username, row.thrown_at, page_of(row)) for row in rows)


def _live(agent: Agent) -> tuple[Live, ...]:
    releases = list(Release.objects.filter(agent=agent).select_related("version", "released_by").order_by("pk"))
    found = []
    for environment in reversed(Environment.values):
        there = [row for row in releases if row.environment == environment]
        row = next((row for row in there if row.state == ReleaseState.LIVE), None)
        found.append(
            Live(
                environment,
                row.version.number if row else None,
                page_of(row.version) if row else "",
                row.released_at if row else None,
                row.released_by.username if row else "",
                row is not None and len(there) > 1,
            )
        )
    return tuple(found)


def _versions(agent: Agent) -> tuple[VersionLine, ...]:
    rows = AgentVersion.objects.filter(agent=agent).select_related("created_by").defer("definition")[:RECENT]
    return tuple(
        VersionLine(
            row.number, page_of(row), row.state, row.note, row.checksum, row.created_by.username, row.created_at
        )
        for row in rows
    )


def _keys(agent: Agent, now: datetime) -> tuple[KeyLine, ...]:
    return tuple(_key(row, now) for row in AgentKey.objects.filter(agent=agent)[:RECENT])


def _key(row: AgentKey, now: datetime) -> KeyLine:
    state = key_state(row, now)
    soon = state == KeyState.LIVE and row.expires_at - now < _SOON
    scopes = ", ".join(row.scopes)
    return KeyLine(str(row), page_of(row), row.environment, state, scopes, row.expires_at, row.last_used_at, soon)


def _commands(agent: Agent) -> tuple[CommandLine, ...]:
    rows = Command.objects.filter(agent=agent).select_related("requested_by")[:RECENT]
    return tuple(
        CommandLine(row.kind, row.state, row.requested_by.username, row.requested_at, row.reported_at, row.note)
        for row in rows
    )


def _decisions(agent: Agent) -> tuple[DecisionLine, ...]:
    rows = Decision.objects.filter(agent=agent)[:RECENT]
    return tuple(
        DecisionLine(row.verb, page_of(row), row.effect, row.reasons[0]["text"] if row.reasons else "", row.at)
        for row in rows
    )


def _effects(agent: Agent, now: datetime) -> tuple[tuple[str, int, str], ...]:
    rows = Decision.objects.real().since(now - DAY).filter(agent=agent).order_by().values("effect")
    return tuple(
        (row["effect"], row["n"], list_of(Decision, f"agent={agent.slug}&since=24h&effect__exact={row['effect']}"))
        for row in rows.annotate(n=Count("pk")).order_by("effect")
    )


def _spent(agent: Agent, now: datetime) -> dict[str, Any]:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = CostRollup.objects.filter(agent=agent).real().daily().between(month, now)
    return rows.aggregate(cost=Total("cost_nanousd"), unknown=Sum("unpriced_calls"))
