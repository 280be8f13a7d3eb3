"""Secrets leave by name and by form, from any depth of JSON and text; everything else stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runs.redaction import MARK, is_secret_name, redact, redact_text

SECRET = "Zq7Rk2Wd9Xt4Vb6Nh3Lm8"  # looks like nothing in particular
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMTIz"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nx7Yz\n-----END RSA PRIVATE KEY-----"
FORMS = [
    f"acp_live_abcdefghijklmnop_{'s' * 43}_0a1b2c3d",
    "sk-proj-abcDEF0123456789abcDEF",
    "sk-ant-api03-abcDEF0123456789",
    "sk_live_abcdef0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "xoxb-1234567890-abcdefghij",
    "AIzaSyA0123456789abcdefghijklmnopqrstu",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    JWT,
    PEM,
]


@pytest.mark.parametrize(
    "name",
    ["password", "Password", "db_password", "passwordHash", "pwd", "secret", "clientSecret", "token", "resumeToken",
     "access_token", "accesstoken", "X-N8N-API-KEY", "apikey", "APIKey", "openai_api_key", "Authorization",
     "Proxy-Authorization", "Cookie", "Set-Cookie", "signature", "X-Amz-Signature", "aws_secret_access_key",
     "privateKey", "sessionId", "credentials", "auth", "x-csrf-token"],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: SECRET}) == {name: MARK}
    assert redact({"a": [{name: {"b": [SECRET]}}]}) == {"a": [{name: MARK}]}
    assert redact([{"name": name, "value": SECRET}]) == [{"name": name, "value": MARK}]


@pytest.mark.parametrize(
    "name",
    ["maxTokens", "promptTokens", "tokenUsage", "token_type", "author", "authority", "keyboard", "design",
     "assignment", "passport", "compass", "secretary", "key", "url", "status", ""],
)  # fmt: skip
def test_innocent_names(name: str) -> None:
    assert not is_secret_name(name)
    assert redact({name: "x y z"}) == {name: "x y z"}


@pytest.mark.parametrize("form", FORMS, ids=[form[:8] for form in FORMS])
def test_secret_forms_leave_text(form: str) -> None:
    assert redact_text(f"it said {form} twice: {form}!") == f"it said {MARK} twice: {MARK}!"
    assert form not in json.dumps(redact({"deep": [{"er": f"({form})"}], form: 1}))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"Authorization: Bearer {SECRET}\nAccept: */*", f"Authorization: {MARK}\nAccept: */*"),
        (f"curl -H 'Authorization: Token {SECRET}' https://x", f"curl -H 'Authorization: {MARK}' https://x"),
        (f"cookie: a={SECRET}; b=2", f"cookie: {MARK}"),
        (f"x-api-key: {SECRET}", f"x-api-key: {MARK}"),
        ("x-api-key: short", f"x-api-key: {MARK}"),
        (f"used bearer {SECRET}", f"used bearer {MARK}"),
        ("Basic dXNlcjpwYXNz", f"Basic {MARK}"),
        (f'{{"password": "{SECRET}", "a": 1}}', f'{{"password": "{MARK}", "a": 1}}'),
        (f'{{"password":"a\\"{SECRET}"}}', f'{{"password":"{MARK}"}}'),
        (f'{{\\"token\\":\\"{SECRET}\\"}}', f'{{\\"token\\":\\"{MARK}\\"}}'),
        (f"{{'api_key': '{SECRET}'}}", f"{{'api_key': '{MARK}'}}"),
        (f"https://h/webhook-waiting/69?signature={SECRET}&a=1", f"https://h/webhook-waiting/69?signature={MARK}&a=1"),
        (f"https://h/?key={SECRET}", f"https://h/?key={MARK}"),
        (f"postgres://me:{SECRET}@db/x", f"postgres://me:{MARK}@db/x"),
        (f"DB_PASSWORD={SECRET} run", f"DB_PASSWORD={MARK} run"),
        (f"run --password {SECRET} now", f"run --password {MARK} now"),
        (f"Incorrect API key: {SECRET}.", f"Incorrect API key: {MARK}"),
        (f'body="password={SECRET}"', f'body="password={MARK}"'),
        (f'__token="{SECRET}"', f'__token="{MARK}"'),
    ],
)  # fmt: skip
def test_secrets_leave_free_text(text: str, clean: str) -> None:
    assert redact_text(text) == clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    ["Unexpected token: then", "Basic auth failed", "the bearer of news", "task-runner risk-based-2024-report",
     "see https://x.example/a?b=c&page=2", "max_tokens=20, temperature=1", "sha256:0123abcd", "12:30 meeting", ""],
)  # fmt: skip
def test_innocent_text_stays(text: str) -> None:
    assert redact_text(text) == text


def test_nothing_unstorable_is_left() -> None:
    assert redact({"a\x00": "b\ud800", "n": float("nan"), "i": 10**30}) == {
        "a\ufffd": "b\ufffd",
        "n": "nan",
        "i": 10**30,
    }


def test_empty_secrets_and_flags_stay() -> None:
    value = {"password": None, "token": "", "cookies": [], "secret": True}
    assert redact(value) == value


def test_very_deep_values_are_cut() -> None:
    value: Any = "x"
    for _ in range(500):
        value = [value]
    assert "[nested too deep]" in json.dumps(redact(value))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
planted = st.sampled_from([f"Bearer {SECRET}", f"api_key={SECRET}", f'"password": "{SECRET}"', *FORMS])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(values)
def test_redaction_is_idempotent(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once


@given(texts, planted, texts)
def test_planted_secret_never_survives(before: str, secret: str, after: str) -> None:
    # A letter or quotation mark that touches the secret makes another word of it.
    text = f"{before} {secret} {after}"
    assume("\\" not in text)
    core = SECRET if SECRET in secret else secret
    for value in (text, [text], {"a": {"b": text}}):
        assert core not in json.dumps(redact(value), ensure_ascii=False)


@given(st.dictionaries(st.sampled_from(["a", "b", "c d", "items", "n"]), st.integers() | st.booleans(), max_size=5))
def test_harmless_values_stay_as_they_are(value: dict[str, Any]) -> None:
    assert redact(value) == value
