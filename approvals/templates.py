"""Queues for what is usually held: a start that is strict and sane, to be changed afterwards (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Template:
    """A queue without its people.

    Attributes:
        name: of the template, and of the queue unless another is given.
        title: for people.
        says: what it is for, in one sentence.
        document: the queue in the form that ``apply`` reads, without reviewers and escalation target.
        escalate_after: how long its reviewers have a request alone, where somebody is named to go to.
    """

    name: str
    title: str
    says: str
    document: Mapping[str, Any]
    escalate_after: str


def _usd(value: str) -> dict[str, str]:
    return {"value": value, "currency": "USD"}


_TEMPLATES: Final = (
    Template(
        "financial",
        "Financial",
        "Money: two people, the agent's owner not among them; more than 1,000 is typed.",
        {
            "quorum": 2, "ttl": "8h", "edits": True, "editor_may_approve": False, "owner_may_approve": False,
            "confirm_amount_over": _usd("1000.00"), "bulk_limit": 0, "matches": {"data_class": ["financial"]},
        },
        "2h",
    ),
    Template(
        "legal",
        "Legal",
        "Contracts and statements: one person, who has three days and writes no word of it.",
        {
            "quorum": 1, "ttl": "72h", "edits": False, "editor_may_approve": False, "owner_may_approve": False,
            "confirm_amount_over": _usd("1000.00"), "bulk_limit": 0, "matches": {"data_class": ["legal"]},
        },
        "24h",
    ),
    Template(
        "sensitive",
        "Sensitive data",
        "Personal and health data, credentials: one person, one by one.",
        {
            "quorum": 1, "ttl": "24h", "edits": True, "editor_may_approve": False, "owner_may_approve": True,
            "confirm_amount_over": _usd("1000.00"), "bulk_limit": 0,
            "matches": {"data_class": ["biometric", "credentials", "health", "pii"]},
        },
        "8h",
    ),
    Template(
        "high-risk",
        "High risk",
        "Whatever is rated high or critical: two people within four hours; every amount is typed.",
        {
            "quorum": 2, "ttl": "4h", "edits": True, "editor_may_approve": False, "owner_may_approve": False,
            "confirm_amount_over": _usd("0.00"), "bulk_limit": 0, "matches": {"risk": ["critical", "high"]},
        },
        "1h",
    ),
)  # fmt: skip
TEMPLATES: Final[Mapping[str, Template]] = {each.name: each for each in _TEMPLATES}
