"""A small policy world for tests: verbs, an agent, and short ways to ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from policies.compile import Snapshot, compile_set
from policies.engine import judge
from policies.facts import Declared, Subject, Verdict
from policies.language import parse
from registry.catalogue import parse_verbs

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
QUEUES = frozenset({"outreach", "finance"})
VERB_DOCUMENT: dict[str, Any] = {
    "form.submit": {"capability": "write", "destination": {"at": "/url"}},
    "email.send": {
        "capability": "notify",
        "destination": {"at": "/to/*", "as": "email"},
        "units": "count",
        "data_classes": ["pii"],
    },
    "email.list.send": {"capability": "notify", "destination": {"at": "/to/*", "as": "email"}},
    "payment.transfer": {
        "capability": "execute",
        "destination": {"at": "/account", "as": "account"},
        "amount": {"at": "/amount"},
    },
    "chat.post": {"capability": "notify"},
    "report.read": {"capability": "read"},
}
VERBS = parse_verbs(VERB_DOCUMENT)


def subject(**changes: Any) -> Subject:
    facts: dict[str, Any] = {
        "agent": "job-applier",
        "team": "talent",
        "tags": frozenset({"hr"}),
        "environment": "production",
        "capabilities": frozenset({"read", "write", "notify", "execute"}),
        "data_scopes": frozenset({"candidates"}),
        "state": "active",
        "kill": None,
        "released": True,
    }
    return Subject(**{**facts, **changes})


def declared(verb: str, payload: object = None, **changes: Any) -> Declared:
    facts: dict[str, Any] = {
        "verb": verb,
        "capability": None,
        "destination": None,
        "units": None,
        "amount": None,
        "payload": payload,
        "data_classes": frozenset(),
        "data_scopes": None,
        "provenance": MappingProxyType({}),
    }
    return Declared(**{**facts, **changes})


def snapshot(policies: Mapping[str, Any]) -> Snapshot:
    return compile_set(parse(policies), VERBS, QUEUES)


def of_rules(*rules: Mapping[str, Any], **policy: Any) -> Snapshot:
    """Compile one policy; a rule without a name gets one."""
    named = [{kind: {"name": f"r{index}", **body} for kind, body in rule.items()} for index, rule in enumerate(rules)]
    return snapshot({"p": {"rules": named, **policy}})


def ask(compiled: Snapshot, said: Declared, *, who: Subject | None = None, now: datetime = NOW) -> Verdict:
    return judge(compiled, who or subject(), said, now)[1]


def form(url: str = "https://jobs.example.com/apply", **changes: Any) -> Declared:
    return declared("form.submit", {"url": url}, **changes)


def email(*to: str, **changes: Any) -> Declared:
    return declared("email.send", {"to": list(to)}, **changes)


def payment(value: str = "820.00", currency: str = "USD", **changes: Any) -> Declared:
    return declared("payment.transfer", {"account": "DE1", "amount": {"value": value, "currency": currency}}, **changes)


def codes(verdict: Verdict) -> list[str]:
    return [one.code for one in verdict.reasons]
