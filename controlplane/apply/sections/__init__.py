"""The document's sections, in the order in which they are written: each may name entries of those before it."""

from controlplane.apply.sections.agents import AGENTS
from controlplane.apply.sections.base import Applying, Part
from controlplane.apply.sections.budgets import BUDGETS
from controlplane.apply.sections.policies import POLICIES
from controlplane.apply.sections.queues import QUEUES
from controlplane.apply.sections.teams import TEAMS
from controlplane.apply.sections.triggers import TRIGGERS
from controlplane.apply.sections.verbs import VERBS

PARTS: tuple[Part, ...] = (TEAMS, VERBS, AGENTS, QUEUES, POLICIES, BUDGETS, TRIGGERS)

__all__ = ["PARTS", "Applying", "Part"]
