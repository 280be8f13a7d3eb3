"""The registry's tables."""

from registry.models.agents import Agent, AgentQuerySet, AgentVersion, Release
from registry.models.control import AgentKey, Catalogue, Command, KillSwitch, Verb
from registry.models.people import Team, TeamGroupRight, TeamQuerySet, TeamUserRight, User

__all__ = [
    "Agent",
    "AgentKey",
    "AgentQuerySet",
    "AgentVersion",
    "Catalogue",
    "Command",
    "KillSwitch",
    "Release",
    "Team",
    "TeamGroupRight",
    "TeamQuerySet",
    "TeamUserRight",
    "User",
    "Verb",
]
