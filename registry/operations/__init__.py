"""Every write of the registry."""

from registry.operations.agents import (
    agent_digest,
    agent_facts,
    agent_lock,
    hold_agents,
    pause_agent,
    resume_agent,
    retire_agent,
    save_agent,
    transfer_agent,
)
from registry.operations.commands import acknowledge, expire_commands, fetch_commands, send_command
from registry.operations.disbanding import delete_team
from registry.operations.exemptions import let_out, put_back
from registry.operations.giving import give_right, withdraw_right
from registry.operations.keys import issue_key, revoke_key
from registry.operations.kills import contain, kill, lift
from registry.operations.people import (
    change_password,
    create_first_administrator,
    create_user,
    deactivate,
    end_sessions,
    reactivate,
    set_role,
)
from registry.operations.preferences import forget_view, save_view, set_clock, set_delegate, set_shortcuts
from registry.operations.profiles import create_person, edit_person, reset_password
from registry.operations.reverting import revert_agent, revert_verb
from registry.operations.rights import hold_teams
from registry.operations.rotating import rotate_key
from registry.operations.silence import note_quiet_agents
from registry.operations.teams import grant_publish, save_team, team_facts, withdraw_publish
from registry.operations.transfers import accept_transfer, decline_transfer, hand_over, propose_transfer
from registry.operations.undoing import undo_pause
from registry.operations.use import note_use
from registry.operations.verbs import bump_catalogue, require_one_verb_each, save_verb
from registry.operations.versions import Evidence, create_version, discard_draft, edit_draft, promote, roll_back

__all__ = [
    "Evidence",
    "accept_transfer",
    "acknowledge",
    "agent_digest",
    "agent_facts",
    "agent_lock",
    "bump_catalogue",
    "change_password",
    "contain",
    "create_first_administrator",
    "create_person",
    "create_user",
    "create_version",
    "deactivate",
    "decline_transfer",
    "delete_team",
    "discard_draft",
    "edit_draft",
    "edit_person",
    "end_sessions",
    "expire_commands",
    "fetch_commands",
    "forget_view",
    "give_right",
    "grant_publish",
    "hand_over",
    "hold_agents",
    "hold_teams",
    "issue_key",
    "kill",
    "let_out",
    "lift",
    "note_quiet_agents",
    "note_use",
    "pause_agent",
    "promote",
    "propose_transfer",
    "put_back",
    "reactivate",
    "require_one_verb_each",
    "reset_password",
    "resume_agent",
    "retire_agent",
    "revert_agent",
    "revert_verb",
    "revoke_key",
    "roll_back",
    "rotate_key",
    "save_agent",
    "save_team",
    "save_verb",
    "save_view",
    "send_command",
    "set_clock",
    "set_delegate",
    "set_role",
    "set_shortcuts",
    "team_facts",
    "transfer_agent",
    "undo_pause",
    "withdraw_publish",
    "withdraw_right",
]
