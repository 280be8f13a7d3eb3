"""Which pages the console has: one entry for each model."""

from __future__ import annotations

from django.db.models import Model

from approvals.models import ApprovalRequest, Grant, Queue
from audit.models import Entry
from controlplane.console.admins import ConsoleAdmin
from controlplane.console.approvals.lists import ApprovalPages, GrantPages
from controlplane.console.costs import BudgetPages, PricePages, UsagePages
from controlplane.console.delivery.channels import ChannelPages
from controlplane.console.delivery.pages import DeliveryPages, EndpointPages
from controlplane.console.policies.decisions import DecisionPages
from controlplane.console.policies.replays import ReplayPages
from controlplane.console.policies.revisions import RevisionPages
from controlplane.console.policies.triggers import FiringPages, TriggerPages
from controlplane.console.queues import QueuePages
from controlplane.console.registry.agents import AgentPages
from controlplane.console.registry.directory import PeoplePages, TeamPages, VerbPages
from controlplane.console.registry.others import (
    CommandPages,
    KeyPages,
    KillPages,
    ReleasePages,
)
from controlplane.console.registry.versions import VersionPages
from controlplane.console.runs.pages import FailurePages, RunPages
from controlplane.console.site import ConsoleSite
from controlplane.console.trail import EntryPages
from controlplane.delivery.models import Channel, Delivery, Endpoint
from costs.models import Budget, ModelPrice, Usage
from policies.models import Decision, Firing, Replay, Revision, Trigger
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, Team, User, Verb
from runs.models import Failure, Run

PAGES: dict[type[Model], type[ConsoleAdmin]] = {
    ApprovalRequest: ApprovalPages,
    Grant: GrantPages,
    Queue: QueuePages,
    Entry: EntryPages,
    Budget: BudgetPages,
    ModelPrice: PricePages,
    Usage: UsagePages,
    Decision: DecisionPages,
    Revision: RevisionPages,
    Replay: ReplayPages,
    Trigger: TriggerPages,
    Firing: FiringPages,
    Agent: AgentPages,
    AgentKey: KeyPages,
    AgentVersion: VersionPages,
    Command: CommandPages,
    KillSwitch: KillPages,
    Release: ReleasePages,
    Team: TeamPages,
    Verb: VerbPages,
    User: PeoplePages,
    Endpoint: EndpointPages,
    Delivery: DeliveryPages,
    Channel: ChannelPages,
    Run: RunPages,
    Failure: FailurePages,
}


def console() -> ConsoleSite:
    """Build the console; its address space is named ``admin``, as Django's own templates expect."""
    site = ConsoleSite(name="admin")
    for model, pages in PAGES.items():
        site.register(model, pages)
    return site
