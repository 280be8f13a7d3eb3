"""Every write of policies and decisions."""

from policies.operations.decisions import NewDecision, write_decision
from policies.operations.replays import Measures, advance, cancel_replay, start_replay
from policies.operations.revisions import (
    discard,
    publish,
    publish_set,
    published_policies,
    revise_draft,
    roll_back,
    save_draft,
)
from policies.operations.triggers import rearm, save_trigger, trigger_documents, try_trigger
from policies.operations.watching import watch

__all__ = [
    "Measures",
    "NewDecision",
    "advance",
    "cancel_replay",
    "discard",
    "publish",
    "publish_set",
    "published_policies",
    "rearm",
    "revise_draft",
    "roll_back",
    "save_draft",
    "save_trigger",
    "start_replay",
    "trigger_documents",
    "try_trigger",
    "watch",
    "write_decision",
]
