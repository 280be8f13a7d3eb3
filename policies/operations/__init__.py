"""Every write of policies and decisions."""

from policies.operations.decisions import NewDecision, write_decision
from policies.operations.revisions import (
    discard,
    publish,
    publish_set,
    published_policies,
    revise_draft,
    roll_back,
    save_draft,
)

__all__ = [
    "NewDecision",
    "discard",
    "publish",
    "publish_set",
    "published_policies",
    "revise_draft",
    "roll_back",
    "save_draft",
    "write_decision",
]
