"""Patterns match by parts, never by substring; the look-alike corpus tells naive matchers apart."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from policies.destinations import check_destination
from policies.selectors import (
    SelectorInvalid,
    is_over,
    parse_destination_pattern,
    parse_verb_pattern,
)
from registry.amounts import Money

VERBS = [
    ("email.send", "email.send", True),
    ("email.send", "email.sends", False),
    ("email.send", "email.send.now", False),
    ("email.*", "email.send", True),
    ("email.*", "email.a.b", False),
    ("email.*", "email", False),
    ("email.**", "email.send", True),
    ("email.**", "email.a.b", True),
    ("email.**", "email", False),
    ("email.**", "emails.send", False),
    ("**", "email", True),
    ("**", "email.a.b", True),
    ("*", "email", True),
    ("*", "email.send", False),
    ("*.send", "email.send", True),
    ("*.send", "a.b.send", False),
    ("*.*.send", "a.b.send", True),
    ("a.*.**", "a.b", False),
    ("a.*.**", "a.b.c.d", True),
]
# pattern, destination, whether it matches; what a careless matcher gets wrong is among them.
DESTINATIONS = [
    ("https://jobs.example.com/*", "https://jobs.example.com/apply", True),
    ("https://jobs.example.com/*", "https://jobs.example.com", True),
    ("https://jobs.example.com/*", "https://JOBS.example.com:443/a/b?x=1", True),
    ("https://JOBS.Example.com:443/*", "https://jobs.example.com/a", True),
    ("https://jobs.example.com/*", "http://jobs.example.com/apply", False),
    ("https://jobs.example.com/*", "https://jobs.example.com:8443/apply", False),
    ("https://jobs.example.com/*", "https://jobs.example.com.evil.com/apply", False),
    ("https://jobs.example.com/*", "https://evil.com/https://jobs.example.com/".replace("//jobs", "/jobs"), False),
    ("https://jobs.example.com/*", "https://evil.com/?u=https://jobs.example.com/", False),
    ("https://jobs.example.com/*", "https://evil-jobs.example.com/apply", False),
    ("https://jobs.example.com/*", "https://a.jobs.example.com/apply", False),
    ("https://jobs.example.com/*", "https://jobs-example.com/apply", False),
    ("https://jobs.example.com/*", "https://jobs.example.co/apply", False),
    ("https://jobs.example.com/*", "https://jobsXexample.com/apply", False),
    ("https://jobs.example.com", "https://jobs.example.com/", True),
    ("https://jobs.example.com", "https://jobs.example.com/apply", False),
    ("https://jobs.example.com/apply", "https://jobs.example.com/apply?job=1", True),
    ("https://jobs.example.com/apply", "https://jobs.example.com/apply/2", False),
    ("https://jobs.example.com/apply", "https://jobs.example.com/applyx", False),
    ("https://jobs.example.com/apply", "https://jobs.example.com/Apply", False),
    ("https://h.example/v1/*", "https://h.example/v1/", True),
    ("https://h.example/v1/*", "https://h.example/v1", False),
    ("https://h.example/v1/*", "https://h.example/v1x/a", False),
    ("https://h.example/v1/*", "https://h.example/v2/?p=/v1/", False),
    ("https://h.example/a%7Eb/*", "https://h.example/a~b/c", True),
    ("https://*.example.com/*", "https://a.example.com/x", True),
    ("https://*.example.com/*", "https://a.b.example.com/x", True),
    ("https://*.example.com/*", "https://example.com/x", False),
    ("https://*.example.com/*", "https://evilexample.com/x", False),
    ("https://*.example.com/*", "https://a.example.com.evil.com/x", False),
    ("https://*.example.com:8443/*", "https://a.example.com:8443/x", True),
    ("https://*.example.com:8443/*", "https://a.example.com/x", False),
    ("https://bücher.example/*", "https://xn--bcher-kva.example/x", True),
    ("https://[::1]/*", "https://[0:0::1]/x", True),
    ("http://10.0.0.1/*", "http://[::ffff:10.0.0.1]/x", True),
    ("http://[::ffff:a00:1]/*", "http://10.0.0.1/x", True),
    ("email:*@acme.com", "email:jane@acme.com", True),
    ("email:*@ACME.com", "email:jane@acme.com", True),
    ("email:*@acme.com", "email:jane@sub.acme.com", False),
    ("email:*@acme.com", "email:jane@acme.com.evil.com", False),
    ("email:*@acme.com", "email:acme.com@evil.com", False),
    ("email:*@acme.com", "email:jane@evilacme.com", False),
    ("email:jane@acme.com", "email:Jane@acme.com", True),
    ("email:jane@acme.com", "email:mary-jane@acme.com", False),
    ("email:*", "email:jane@acme.com", True),
    ("email:*", "slack:jane@acme.com", False),
    ("slack:*", "slack:#hiring", True),
    ("slack:#hiring", "slack:#Hiring", True),
    ("slack:#hiring", "slack:#hiring-2", False),
    ("slack:#hiring", "slack:#hirıng", False),
    ("n8n:main/*", "n8n:main/w1", True),
    ("n8n:main/*", "n8n:main2/w1", False),
    ("n8n:*", "n8n:main/w1", True),
    ("drive:a/*", "drive:a/b/c", False),
    ("drive:a/b/*", "drive:a/b/c", True),
    ("account:DE1", "account:DE12", False),
    ("account:DE1", "account:de1", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "verb", "matches"), VERBS)
def test_verb_patterns(pattern: str, verb: str, matches: bool) -> None:
    assert parse_verb_pattern(pattern).matches(verb) is matches


@pytest.mark.parametrize(
    "text", ["", "email.", ".send", "em*", "**.send", "a.**.b", "a.***", "Email.send", "a b", "a/b", "x" * 121]
)
def test_odd_verb_patterns_are_refused(text: str) -> None:
    with pytest.raises(SelectorInvalid):
        parse_verb_pattern(text)


@pytest.mark.parametrize(("pattern", "text", "matches"), DESTINATIONS)
def test_destination_patterns(pattern: str, text: str, matches: bool) -> None:
    assert parse_destination_pattern(pattern).matches(check_destination(text)) is matches


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "**", "https://*", "https://*/*", "https://*.*.com/*", "https://a.*.com/*", "https://jobs*.example.com/*",
        "https://h.example/v1*", "https://h.example/*/x", "https://h.example/**", "https://h.example/*?x=1",
        "https://h.example/x?y=*", "https://u@h.example/*", "https://h.example/../*", "https://h.example/%2e%2e/*",
        "https://h.example/#*", "https://h.example:*/", "*://h.example/", "email:j*@acme.com", "email:*@*",
        "https://*.0.0.1/*", "email:*@*.acme.com", "email:*@", "slack:#h*", "n8n:*/w1", "jobs.example.com/*", "ftp://h.example/*",
    ],
)  # fmt: skip
def test_odd_destination_patterns_are_refused(text: str) -> None:
    with pytest.raises(SelectorInvalid):
        parse_destination_pattern(text)


def substring(pattern: str, text: str) -> bool:
    return pattern.removesuffix("*").replace("*", "") in text


def prefix(pattern: str, text: str) -> bool:
    return text.startswith(pattern.removesuffix("/*"))


def shell(pattern: str, text: str) -> bool:
    return fnmatch.fnmatch(text.lower(), pattern.lower())


def suffix_of_host(pattern: str, text: str) -> bool:
    host, its_host = (re.sub(r".*//|/.*", "", one) for one in (pattern, text))
    return its_host.endswith(host.lstrip("*."))


@pytest.mark.parametrize("twin", [substring, prefix, shell, suffix_of_host])
def test_naive_matchers_let_look_alikes_in(twin: Callable[[str, str], bool]) -> None:
    wrongly = [
        text for pattern, text, matches in DESTINATIONS if twin(pattern, check_destination(text).text) and not matches
    ]
    assert wrongly


@pytest.mark.parametrize(
    ("amount", "over"),
    [
        (("100.01", "USD"), True),
        (("100.00", "USD"), False),
        (("99", "USD"), False),
        (("1", "EUR"), True),
        (None, False),
    ],
)
def test_another_currency_counts_as_over(amount: tuple[str, str] | None, over: bool) -> None:
    money = Money(Decimal(amount[0]), amount[1]) if amount else None
    assert is_over(Money(Decimal(100), "USD"), money) is over
