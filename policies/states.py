"""States and words of policies and decisions."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class Effect(TextChoices):
    """What a decision says."""

    ALLOW = "allow", "Allow"
    DENY = "deny", "Deny"
    REVIEW = "review", "Review"
    THROTTLE = "throttle", "Throttle"


class RevisionState(TextChoices):
    """Life of a revision of the whole policy set."""

    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    SUPERSEDED = "superseded", "Superseded"
    DISCARDED = "discarded", "Discarded"


class ReplayState(TextChoices):
    """Life of a replay of recorded decisions."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Measure(TextChoices):
    """What a trigger counts."""

    DENIALS = "denials", "Denials"
    FAILURES = "failures", "Failures"
    SPEND = "spend", "Spend"


class TriggerMode(TextChoices):
    """What a trigger does once more than its threshold is counted."""

    OFF = "off", "Off"
    SHADOW = "shadow", "Shadow"
    WARN = "warn", "Warn"
    ENFORCE = "enforce", "Enforce"


class FiringState(TextChoices):
    """Life of a firing: a trigger without one is armed."""

    FIRED = "fired", "Fired"
    REARMED = "rearmed", "Armed again"


Table = Mapping[str, frozenset[str]]

REVISION: Table = {
    RevisionState.DRAFT: frozenset({RevisionState.PUBLISHED, RevisionState.DISCARDED}),
    RevisionState.PUBLISHED: frozenset({RevisionState.SUPERSEDED}),
    # Rolling back publishes a copy, so that numbers only rise.
    RevisionState.SUPERSEDED: frozenset(),
    RevisionState.DISCARDED: frozenset(),
}

REPLAY: Table = {
    ReplayState.QUEUED: frozenset({ReplayState.RUNNING, ReplayState.FAILED, ReplayState.CANCELLED}),
    ReplayState.RUNNING: frozenset({ReplayState.FINISHED, ReplayState.FAILED, ReplayState.CANCELLED}),
    ReplayState.FINISHED: frozenset(),
    ReplayState.FAILED: frozenset(),
    ReplayState.CANCELLED: frozenset(),
}

FIRING: Table = {
    FiringState.FIRED: frozenset({FiringState.REARMED}),
    FiringState.REARMED: frozenset(),
}
