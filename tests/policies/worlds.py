"""Random policies, agents and actions from a vocabulary so small that they meet.

A world grows from one number by plain `random`: twenty times as fast as nested strategies, and the
number in a failure brings the same world back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from policies.engine import judge
from policies.facts import Declared, Subject, Verdict
from policies.provenance import SOURCES
from tests.policies.cases import QUEUES, VERB_DOCUMENT, declared, snapshot, subject
from tests.policies.reference_selectors import CONDITIONS

AGENTS, TEAMS, TAGS, ENVIRONMENTS = (
    ["ada", "bob"],
    ["talent", "billing"],
    ["hr", "beta", "eu"],
    ["production", "staging"],
)
LABELS = ["pii", "financial", "legal"]
HOSTS = [
    "example.com", "jobs.example.com", "a.jobs.example.com", "evil-example.com", "jobs.example.com.evil.com",
    "jobs.example.co", "xn--bcher-kva.example",
]  # fmt: skip
PATHS = ["", "/", "/v1", "/v1/", "/v1/forms", "/v1x", "/v1/forms/2", "/V1/forms"]
MAILS = ["jane@acme.com", "Jane@acme.com", "bob@acme.com", "jane@acme.com.evil.com", "jane@sub.acme.com", "x@acme.co"]
CHANNELS = ["slack:#hiring", "slack:#hiring-2", "slack:#money", "n8n:main/w1", "n8n:main/w2", "n8n:other/w1"]
URLS = [f"https://{host}{path}" for host in HOSTS for path in PATHS] + [
    "https://example.com:8443/v1",
    "http://example.com",
]
PATTERNS = [
    *URLS,
    *(f"https://{host}/*" for host in HOSTS),
    *(f"https://{host}/v1/*" for host in HOSTS),
    *(f"https://*.{host}/*" for host in HOSTS),
    "https://*.com/*", "https://EXAMPLE.com:443/v1", "https://*.example.com/v1", "http://example.com/*",
    "email:*", "email:*@acme.com", "email:*@ACME.com", "email:jane@acme.com", "email:Jane@acme.com",
    *CHANNELS, "slack:*", "n8n:*", "n8n:main/*", "account:*", "account:DE1", "account:DE",
]  # fmt: skip
MAIL_PATTERNS = [pattern for pattern in PATTERNS if pattern.startswith("email:")]
VERB_PATTERNS = [
    *VERB_DOCUMENT,
    "**",
    "*",
    "email.**",
    "email.*",
    "*.send",
    "email.*.send",
    "payment.**",
    "form.*",
    "email",
]
AMOUNTS = [
    {"value": value, "currency": currency}
    for value in ("0", "99.99", "100", "100.00", "100.01")
    for currency in ("USD", "EUR")
]
OBLIGATIONS = ["redact:pii", "redact:legal", "log:full", "notify:talent", "discard:30d"]
PLACES = ["/url", "/to", "/to/*", "/to/0", "/notes/*/body", "/notes/0", "/account", "/amount", "/none"]
CLAIMS = [
    "",
    "/url",
    "/to",
    "/to/0",
    "/to/1",
    "/notes",
    "/notes/0",
    "/notes/0/by",
    "/amount",
    "/amount/value",
    "/no",
    "x",
]
CLOCK = ["00:00", "01:30", "02:00", "02:30", "03:00", "09:00", "17:45", "23:30"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]


# Around the jumps of the zones' clocks, and an ordinary week; on the grid on which the reference looks.
WEEKS = [
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (11, 22))
]


@dataclass(frozen=True)
class World:
    document: dict[str, Any]
    who: Subject
    said: Declared
    now: datetime

    def answer(self) -> Verdict:
        return judge(snapshot(self.document), self.who, self.said, self.now)[1]


class Dice(random.Random):
    # Some of them have no answer for some actions.
    conditions = tuple(CONDITIONS)

    @classmethod
    def without(cls, seed: int, word: str | None) -> Dice:
        """Return dice whose conditions do not speak of something."""
        dice = cls(seed)
        dice.conditions = tuple(text for text in CONDITIONS if word is None or word not in text)
        return dice

    def one_or_many(self, values: list[str]) -> str | list[str]:
        return self.choice(values) if self.random() < 0.5 else self.sample(values, self.randint(1, min(3, len(values))))

    def some(self, optional: dict[str, Callable[[], Any]], chance: float) -> dict[str, Any]:
        return {key: make() for key, make in optional.items() if self.random() < chance}

    def rule(self, *kinds: str) -> dict[str, Any]:
        kind = self.choice(kinds)
        optional: dict[str, Callable[[], Any]] = {
            "verb": lambda: self.one_or_many(VERB_PATTERNS),
            "destination": lambda: self.one_or_many(self.choice([PATTERNS, MAIL_PATTERNS])),
            "data_class": lambda: self.one_or_many(LABELS),
            "capability": lambda: self.one_or_many(["read", "write", "notify", "execute"]),
        }
        if kind != "allow":
            optional["amount_over"] = lambda: self.choice(AMOUNTS)
        if kind in {"allow", "review"}:
            optional["batch"] = lambda: self.choice([1, 2, 25])
            optional["obligations"] = lambda: self.one_or_many(OBLIGATIONS)
        body = self.some(optional, 0.3)
        if kind != "allow":
            body |= self.some({"provenance": self.provenance}, 0.2)
        body |= self.some({"when": lambda: self.choice(self.conditions)}, 0.2)
        if kind == "review":
            body["queue"] = self.choice(sorted(QUEUES))
        if kind == "limit":
            body |= {"units": self.choice([1, 2, 200]), "per": self.choice(["30m", "24h", "1d"])}
            body |= self.some({"by": lambda: self.choice(["agent", "team", "verb", "destination"])}, 0.8)
        if kind == "split":
            body |= self.split()
        if kind == "freeze":
            body |= self.freeze()
        return {kind: body | (self.hours() if kind == "hours" else {})}

    def provenance(self) -> Any:
        sources = self.one_or_many(["operator", "user", "agent", "tool", "web", "web"])
        return sources if self.random() < 0.5 else {"at": self.one_or_many(PLACES), "from": sources}

    def split(self) -> dict[str, Any]:
        by = self.some({"by": lambda: self.choice(["agent", "team", "verb"])}, 0.8)
        per, counts = self.choice(["30m", "24h", "1d"]), self.choice(["distinct", "units", "amount"])
        if counts == "distinct":
            return {"distinct": "destination", "max": self.choice([1, 2, 50]), "per": per, **by}
        most = self.choice(AMOUNTS[2:]) if counts == "amount" else self.choice([1, 2, 200])
        by = by if self.random() < 0.8 else {"by": "destination"}
        return {"sum": counts, "max": most, "per": per, **by}

    def freeze(self) -> dict[str, Any]:
        begins = self.choice(WEEKS) + self.randrange(-96, 3 * 96) * timedelta(minutes=15)
        ends = begins + self.randrange(8, 300) * timedelta(minutes=15)
        if self.random() < 0.3:
            return {"from": begins.isoformat(), "until": ends.isoformat()}
        texts = {"from": f"{begins:%Y-%m-%dT%H:%M}", "until": f"{ends:%Y-%m-%dT%H:%M}"}
        return {"zone": self.choice(ZONES), **texts}

    def hours(self) -> dict[str, Any]:
        opens = self.choice(CLOCK)
        closes = self.choice([time for time in [*CLOCK, "24:00"] if time != opens])
        days = ["mon", "tue", "mon-fri", "sat-sun", "fri-mon", "wed-thu"]
        return {
            "zone": self.choice(ZONES),
            "from": opens,
            "until": closes,
            **self.some(
                {"days": lambda: self.one_or_many(days), "holidays": lambda: ["2026-10-26", "2026-11-23"]}, 0.3
            ),
        }

    def policy(self, *modes: str) -> dict[str, Any]:
        # Most policies permit something, else every answer would be a denial.
        items = [self.rule("allow", "allow", "review") for _ in range(self.randint(0, 3))]
        items += [
            self.rule("allow", "review", "forbid", "limit", "hours", "split", "freeze")
            for _ in range(self.randint(0, 3))
        ]
        scope = {
            "agents": lambda: self.one_or_many(AGENTS),
            "teams": lambda: self.one_or_many(TEAMS),
            "tags": lambda: self.one_or_many(TAGS),
            "environments": lambda: self.one_or_many(ENVIRONMENTS),
        }
        optional = {"applies_to": lambda: self.some(scope, 0.3), "mode": lambda: self.choice(modes)}
        return {
            "rules": [
                {kind: {"name": f"r{index}", **body} for kind, body in item.items()} for index, item in enumerate(items)
            ],
            **self.some(optional, 0.5),
        }

    def document(self, *modes: str) -> dict[str, Any]:
        slugs = self.sample(["a", "b", "c", "d"], self.randint(0, 4))
        return {slug: self.policy(*(modes or ("enforce", "shadow"))) for slug in slugs}

    def subject(self) -> Subject:
        return subject(
            agent=self.choice(AGENTS),
            team=self.choice(TEAMS),
            tags=frozenset(self.sample(TAGS, self.randint(0, 3))),
            environment=self.choice(ENVIRONMENTS),
        )

    def declared(self) -> Declared:
        verb = self.choice([*VERB_DOCUMENT, "form.submit", "email.send"])
        units = None if verb == "email.send" else self.choice([None, 1, 2, 3, 26])
        labels = frozenset(self.sample(LABELS, self.choice([0, 0, 1, 2])))
        payload: dict[str, Any] = {}
        place = None
        if verb == "form.submit":
            payload = {"url": self.choice(URLS)}
        elif verb.startswith("email."):
            payload = {"to": [self.choice(MAILS) for _ in range(self.randint(1, 3))]}
        elif verb == "payment.transfer":
            payload = {"account": "DE1", "amount": self.choice(AMOUNTS)}
            payload |= self.some({"notes": lambda: [{"body": "a", "by": {"name": "x"}}, {}, {"body": []}]}, 0.5)
        elif verb == "chat.post":
            place = self.choice([None, *CHANNELS])
        claims = {place: self.choice(SOURCES) for place in self.sample(CLAIMS, self.choice([0, 0, 1, 2, 4]))}
        return declared(verb, payload, destination=place, units=units, data_classes=labels, provenance=claims)

    def world(self, *modes: str) -> World:
        return self.asked(self.document(*modes))

    def asked(self, document: dict[str, Any]) -> World:
        """Somebody asks something of a document."""
        now = self.choice(WEEKS) + self.randrange(3 * 96) * timedelta(minutes=15)
        return World(document, self.subject(), self.declared(), now)


DICE = st.builds(Dice, st.integers(0, 2**48))
