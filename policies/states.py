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


Table = Mapping[str, frozenset[str]]

REVISION: Table = {
    RevisionState.DRAFT: frozenset({RevisionState.PUBLISHED, RevisionState.DISCARDED}),
    RevisionState.PUBLISHED: frozenset({RevisionState.SUPERSEDED}),
    # Rolling back publishes a copy, so that numbers only rise.
    RevisionState.SUPERSEDED: frozenset(),
    RevisionState.DISCARDED: frozenset(),
}
