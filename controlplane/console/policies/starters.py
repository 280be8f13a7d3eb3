"""Three policies to begin with, for whoever has none (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from controlplane.apply import dumping


@dataclass(frozen=True, slots=True)
class Starter:
    """One template.

    Attributes:
        title: what it is for.
        text: what it does.
        policy: its one policy.
    """

    title: str
    text: str
    policy: Mapping[str, Any]


STARTERS: Final[Mapping[str, Starter]] = {
    "mail": Starter(
        "Mail after approval",
        "Every email waits until people approve it; nothing goes out outside office hours.",
        {
            "mode": "enforce",
            "rules": [
                {"review": {"name": "mail", "verb": "email.**", "queue": "auto", "batch": 25}},
                {"hours": {"name": "office", "verb": "email.**", "zone": "UTC", "days": "mon-fri", "from": "09:00",
                           "until": "18:00"}},
            ],
            "tests": [
                # With the destination as well, for a catalogue that finds none in the payload.
                {"action": {"verb": "email.send", "destination": "email:a@example.com",
                            "payload": {"to": ["a@example.com"]}},
                 "at": "2026-11-23T10:00:00+00:00", "expect": "review"},
            ],
        },
    ),
    "forms": Starter(
        "Forms within limits",
        "Forms may be sent to one site, at most 25 at once and 200 a day for each agent.",
        {
            "mode": "enforce",
            "rules": [
                {"allow": {"name": "submit", "verb": "form.submit", "destination": "https://jobs.example.com/*",
                           "batch": 25}},
                {"limit": {"name": "pace", "verb": "form.submit", "units": 200, "per": "1d", "by": "agent"}},
            ],
            "tests": [
                {"action": {"verb": "form.submit", "destination": "https://elsewhere.example/",
                            "payload": {"url": "https://elsewhere.example/"}}, "expect": "deny"},
            ],
        },
    ),
    "payments": Starter(
        "Payments held",
        "Every payment waits until people approve it; large ones, and many small ones in a day, are refused.",
        {
            "mode": "enforce",
            "rules": [
                {"review": {"name": "pay", "verb": "payment.**", "queue": "auto", "batch": 1}},
                {"forbid": {"name": "large", "verb": "payment.**", "amount_over": {"value": "10000.00",
                                                                                   "currency": "USD"}}},
                {"split": {"name": "drip", "verb": "payment.**", "distinct": "destination", "max": 20, "per": "1d"}},
            ],
            "tests": [],
        },
    ),
}  # fmt: skip


def start(name: str, verbs: Mapping[str, object]) -> str:
    """Return a template as YAML; empty for a name that is none.

    Args:
        name: of the template, and of its policy.
        verbs: those in the catalogue: a test of a verb that is not there would fail from the first.
    """
    starter = STARTERS.get(name)
    if starter is None:
        return ""
    tests = [test for test in starter.policy["tests"] if test["action"]["verb"] in verbs]
    policy = {key: value for key, value in starter.policy.items() if key != "tests"}
    return dumping.dump({name: {**policy, "tests": tests} if tests else policy})
