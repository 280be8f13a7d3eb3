"""The tables of policies."""

from policies.models.decisions import (
    SLACK,
    Admission,
    Decision,
    DecisionQuerySet,
    Distinct,
    Payload,
    Revision,
    RevisionQuerySet,
)
from policies.models.replays import LONGEST_TRY, MOST_TRIES, Replay, ReplayQuerySet
from policies.models.triggers import (
    EVERYONE,
    Counted,
    CountingCursor,
    Firing,
    FiringQuerySet,
    Trigger,
    TriggerQuerySet,
)

__all__ = [
    "EVERYONE",
    "LONGEST_TRY",
    "MOST_TRIES",
    "SLACK",
    "Admission",
    "Counted",
    "CountingCursor",
    "Decision",
    "DecisionQuerySet",
    "Distinct",
    "Firing",
    "FiringQuerySet",
    "Payload",
    "Replay",
    "ReplayQuerySet",
    "Revision",
    "RevisionQuerySet",
    "Trigger",
    "TriggerQuerySet",
]
