"""Every write of the registry."""

from registry.operations.agents import (
    agent_facts,
    agent_lock,
    pause_agent,
    resume_agent,
    retire_agent,
    save_agent,
    transfer_agent,
)
from registry.operations.commands import acknowledge, expire_commands, fetch_commands, send_command
from registry.operations.keys import issue_key, revoke_key
from registry.operations.kills import contain, kill, lift
from registry.operations.people import (
    change_password,
    create_first_administrator,
    create_user,
    deactivate,
    reactivate,
    set_role,
)
from registry.operations.silence import note_quiet_agents
from registry.operations.teams import grant_publish, save_team, team_facts, withdraw_publish
from registry.operations.use import note_use
from registry.operations.verbs import bump_catalogue, save_verb
from registry.operations.versions import Evidence, create_version, edit_draft, promote, roll_back

__all__ = [
    "Evidence",
    "acknowledge",
    "agent_facts",
    "agent_lock",
    "bump_catalogue",
    "change_password",
    "contain",
    "create_first_administrator",
    "create_user",
    "create_version",
    "deactivate",
    "edit_draft",
    "expire_commands",
    "fetch_commands",
    "grant_publish",
    "issue_key",
    "kill",
    "lift",
    "note_quiet_agents",
    "note_use",
    "pause_agent",
    "promote",
    "reactivate",
    "resume_agent",
    "retire_agent",
    "revoke_key",
    "roll_back",
    "save_agent",
    "save_team",
    "save_verb",
    "send_command",
    "set_role",
    "team_facts",
    "transfer_agent",
    "withdraw_publish",
]
