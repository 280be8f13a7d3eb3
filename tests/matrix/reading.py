"""Section 12 once more, read plainly: who sees a row, said of the row and the person alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from approvals.models import ApprovalRequest, Escalation, Grant, Queue
from audit.models import Entry
from controlplane.delivery.models import Channel, Delivery, Endpoint
from costs.models import Adjustment, Budget, CostRollup, ModelPrice, Usage
from policies.models import Decision, Firing, Replay, Revision, Trigger
from registry.models import (
    Agent,
    AgentKey,
    AgentTransfer,
    AgentVersion,
    Command,
    KillExemption,
    KillSwitch,
    Release,
    SavedView,
    Team,
    User,
    Verb,
)
from runs.models import Failure, Run, Step


@dataclass(frozen=True, slots=True)
class Reader:
    """A person as section 12 speaks of them."""

    user: User
    teams: frozenset[str]

    def everything(self) -> bool:
        return self.user.is_active and self.user.role in {"admin", "auditor"}

    def operates(self, team: str) -> bool:
        return self.user.is_active and (
            self.user.role == "admin" or (self.user.role == "operator" and team in self.teams)
        )

    def of(self, team: str, owner_id: int) -> bool:
        """Rows keep the team of their time; the owner is the agent's of today."""
        return self.everything() or self.operates(team) or (self.user.is_active and owner_id == self.user.pk)

    def member(self, team: str) -> bool:
        return self.user.is_active and team in self.teams

    def plays(self, *roles: str) -> bool:
        return self.user.is_active and self.user.role in roles

    def own(self, user_id: int) -> bool:
        return self.user.is_active and self.user.pk == user_id


def of_agent(reader: Reader, row: Any) -> bool:
    return reader.of(row.agent.team.slug, row.agent.owner_id)


def then(reader: Reader, row: Any) -> bool:
    return reader.of(row.team, row.agent.owner_id)


def _budget(reader: Reader, row: Budget) -> bool:
    if row.agent:
        return reader.of(row.agent.team.slug, row.agent.owner_id)
    return reader.everything() or (row.team is not None and reader.operates(row.team.slug))


def _seated(reader: Reader, queue: Queue) -> bool:
    named = any(reader.own(person.pk) for person in queue.people.all())
    return named or any(reader.member(team.slug) for team in queue.reviewers.all())


def _held(reader: Reader, row: ApprovalRequest) -> bool:
    escalated = [each.to for each in Escalation.objects.filter(request=row)]
    return then(reader, row) or any(_seated(reader, queue) for queue in [*row.queues.all(), *escalated])


def _queue(reader: Reader, row: Queue) -> bool:
    colleagues = any(reader.member(team.slug) for person in row.people.all() for team in person.teams.all())
    return reader.everything() or _seated(reader, row) or colleagues


def _switch(reader: Reader, row: KillSwitch) -> bool:
    if reader.everything():
        return True
    agent = Agent.objects.filter(slug=row.value).first() if row.scope == "agent" else None
    owned = agent is not None and agent.owner_id == reader.user.pk
    common = row.scope in {"tag", "all"}
    return reader.user.is_active and (common or owned or (row.team is not None and reader.member(row.team.slug)))


def _entry(reader: Reader, row: Entry) -> bool:
    owned = bool(row.agent) and Agent.objects.filter(slug=row.agent, owner=reader.user).exists()
    return reader.everything() or reader.operates(row.team) or (reader.user.is_active and owned)


def _trigger(reader: Reader, row: Trigger) -> bool:
    """Who reads policies reads those of everybody; others are of a team or an agent."""
    if reader.everything():
        return True
    if not reader.plays("operator", "owner"):
        return False
    if row.agent:
        return of_agent(reader, row)
    return row.team is None or reader.operates(row.team.slug)


def _firing(reader: Reader, row: Firing) -> bool:
    owned = row.agent is not None and reader.own(row.agent.owner_id)
    return reader.everything() or (reader.plays("operator", "owner") and (reader.operates(row.concerns) or owned))


def _endpoint(reader: Reader, row: Endpoint) -> bool:
    """Connections are an administrator's, and an operator's for their teams; nobody else has any."""
    return reader.plays("admin") or (row.team is not None and reader.operates(row.team.slug))


def _delivery(reader: Reader, row: Delivery) -> bool:
    """A notice is its person's; the rest goes with the connection, and the team of that time."""
    if row.means == "notice":
        return row.channel is not None and reader.own(row.channel.user_id)
    of_everybody = row.endpoint is not None and row.endpoint.team is None
    return reader.plays("admin") or (reader.operates(row.team) and not of_everybody)


READING: dict[type[Model], Callable[[Reader, Any], bool]] = {
    Agent: lambda reader, row: reader.of(row.team.slug, row.owner_id),
    AgentVersion: of_agent, Release: of_agent, AgentKey: of_agent, Command: of_agent, Failure: of_agent,
    AgentTransfer: of_agent, KillExemption: of_agent,
    Decision: then, Run: then, Usage: then, Grant: then, CostRollup: then, Adjustment: then,
    Step: lambda reader, row: then(reader, row.run),
    Budget: _budget, ApprovalRequest: _held, Queue: _queue, KillSwitch: _switch, Entry: _entry,
    Trigger: _trigger, Firing: _firing, Endpoint: _endpoint, Delivery: _delivery,
    Team: lambda reader, row: reader.everything() or reader.member(row.slug),
    Revision: lambda reader, row: reader.user.is_active and reader.user.role != "reviewer",
    ModelPrice: lambda reader, row: reader.user.is_active and reader.user.role != "reviewer",
    Replay: lambda reader, row: (
        reader.everything() or (reader.plays("operator", "owner") and reader.own(row.asked_by_id))
    ),
    Channel: lambda reader, row: reader.own(row.user_id), SavedView: lambda reader, row: reader.own(row.user_id),
    Verb: lambda reader, row: reader.user.is_active,
    User: lambda reader, row: reader.user.is_active and (reader.user.role == "admin" or row.pk == reader.user.pk),
}  # fmt: skip
