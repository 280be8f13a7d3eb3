"""The registry's tables."""

from registry.models.agents import Agent, AgentQuerySet, AgentVersion, Release
from registry.models.control import AgentKey, Catalogue, Command, KillSwitch, Verb
from registry.models.exceptions import AgentTransfer, KillExemption
from registry.models.people import Team, TeamGroupRight, TeamQuerySet, TeamUserRight, User
from registry.models.preferences import SavedView
from registry.models.reach import within_reach

__all__ = [
    "Agent",
    "AgentKey",
    "AgentQuerySet",
    "AgentTransfer",
    "AgentVersion",
    "Catalogue",
    "Command",
    "KillExemption",
    "KillSwitch",
    "Release",
    "SavedView",
    "Team",
    "TeamGroupRight",
    "TeamQuerySet",
    "TeamUserRight",
    "User",
    "Verb",
    "within_reach",
]
