"""Rules in words, for people who read no YAML."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.console.policies.sentences import sentences
from policies.language import parse
from policies.language.shapes import KINDS

MONEY = {"value": "100.00", "currency": "USD"}


def words(rule: dict[str, Any]) -> tuple[str, str]:
    named = {kind: {"name": "x", **body} for kind, body in rule.items()}
    (told,) = sentences(parse({"p": {"rules": [named]}}).policies["p"])
    return told.effect, told.text


@pytest.mark.parametrize(
    ("rule", "effect", "text"),
    [
        ({"allow": {"verb": "email.*", "batch": 2, "obligations": ["log:full", "redact:pii"]}},
         "allow", "May email.*, at most 2 at once. Obliges to log:full, redact:pii."),
        ({"review": {"queue": "q", "provenance": {"at": ["/a", "/b"], "from": "web"}, "obligations": "notify:q"}},
         "review", "May anything with values at /a or /b from web after the queue q approves. Obliges to notify:q."),
        ({"forbid": {"verb": "form.*", "provenance": ["web", "tool"], "when": "action.units > 3"}},
         "deny", "Never form.* with values from web or tool when action.units > 3."),
        ({"split": {"verb": "email.**", "distinct": "destination", "max": 50, "per": "1h"}},
         "throttle", "At most 50 different destinations of email.** in 1h for each agent, in whatever steps."),
        ({"split": {"sum": "amount", "max": MONEY, "per": "1d", "by": "team"}},
         "throttle", "At most 100.00 USD of anything in 1d for each team, in whatever steps."),
        ({"split": {"sum": "units", "max": 9, "per": "1d"}},
         "throttle", "At most 9 units of anything in 1d for each agent, in whatever steps."),
        ({"freeze": {"zone": "Europe/Berlin", "from": "2026-12-24", "until": "2027-01-02T06:00"}},
         "throttle", "Not anything from 2026-12-24 until 2027-01-02T06:00 (Europe/Berlin)."),
    ],
)  # fmt: skip
def test_a_rule_reads_as_a_sentence(rule: dict[str, Any], effect: str, text: str) -> None:
    assert words(rule) == (effect, text)


def test_every_kind_of_rule_has_words() -> None:
    bodies: dict[str, dict[str, Any]] = {
        "review": {"queue": "q"},
        "limit": {"units": 1, "per": "1h"},
        "split": {"sum": "units", "max": 1, "per": "1h"},
        "hours": {"zone": "UTC", "from": "09:00", "until": "18:00"},
        "freeze": {"from": "2026-12-24T00:00Z", "until": "2026-12-25T00:00Z"},
    }
    assert all(words({kind: bodies.get(kind, {})})[1].endswith(".") for kind in KINDS)
