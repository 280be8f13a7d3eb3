"""Second factors: real codes, once each, encrypted at rest, required where the settings say so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.models import Entry
from audit.refusals import Forbidden, Invalid
from controlplane.accounts import encryption, factors
from registry.models import User
from tests.controlplane.accounts.conftest import code_of, is_in, kinds, log_in

pytestmark = pytest.mark.slow


@pytest.fixture
def secret(person: User) -> str:
    """The person has an app, set up two minutes ago, and recovery codes."""
    made = generate_totp_secret()
    past = timezone.now() - timedelta(minutes=2)
    code = factors.format_hotp_value(factors.hotp_value(made, int(past.timestamp()) // factors.PERIOD))
    assert factors.add_app(user=person, secret=made, code=code, by=person, now=past)
    return made


def test_password_alone_does_not_open(person: User, secret: str) -> None:
    client = Client()
    assert log_in(client, "jane")["Location"] == "/login/code/"
    assert not is_in(client)
    assert client.get("/", follow=True).request["PATH_INFO"].startswith("/login/")
    answer = client.post("/login/code/", {"code": code_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)
    assert Entry.objects.filter(kind="person.logged_in").get().details == '{"methods":["password","totp"]}'


def test_a_code_counts_once(person: User, secret: str) -> None:
    code = code_of(secret)
    first, second = Client(), Client()
    log_in(first, "jane")
    log_in(second, "jane")
    first.post("/login/code/", {"code": code})
    answer = second.post("/login/code/", {"code": code})
    assert is_in(first)
    assert answer.status_code == 200
    assert not is_in(second)


def test_an_older_code_does_not_follow_a_newer_one(person: User, secret: str) -> None:
    now = timezone.now()
    assert factors.use_code(user=person, code=code_of(secret), now=now)
    assert factors.use_code(user=person, code=code_of(secret, -1), now=now) is None


def test_recovery_code_opens_once(person: User, secret: str) -> None:
    codes = factors.show_codes(user=person)
    assert len(codes) == 10
    assert factors.show_codes(user=person) == []
    first, second = Client(), Client()
    for client in (first, second):
        log_in(client, "jane")
        client.post("/login/code/", {"code": codes[3]})
    assert is_in(first)
    assert not is_in(second)
    assert Entry.objects.get(kind="person.recovery_code_used").details == '{"left":9}'


def test_guessed_codes_close_the_log_in(person: User, secret: str) -> None:
    client = Client()
    log_in(client, "jane")
    answers = [client.post("/login/code/", {"code": "000000"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    assert client.post("/login/code/", {"code": code_of(secret)}).status_code == 429
    assert not is_in(client)


def test_enrolling_through_the_pages(person: User) -> None:
    client = Client()
    log_in(client, "jane")
    page = client.get("/account/app/").content.decode()
    shown = page.split("data-select>")[1].split("<")[0]
    assert shown not in str([row.get_decoded() for row in Session.objects.all()])
    assert client.post("/account/app/", {"code": "000000"}).status_code == 422
    assert client.post("/account/app/", {"code": code_of(shown)})["Location"] == "/account/codes/"
    codes = client.post("/account/codes/").content.decode()
    assert "They are not shown again." in codes
    assert "shown already" in client.post("/account/codes/").content.decode()
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    first_code = codes.split("data-select>")[1].split("\n")[0]
    assert shown not in stored
    assert first_code not in stored
    trail = str(list(Entry.objects.values_list("kind", "details")))
    assert "person.factor_added" in trail
    assert shown not in trail
    assert client.get("/account/").status_code == 200


def test_secrets_survive_a_new_first_key(person: User, secret: str, settings: Settings) -> None:
    stored = encryption.encrypt("abc")
    settings.ENCRYPTION_KEYS = ["x" * 43 + "=", *settings.ENCRYPTION_KEYS]
    assert encryption.decrypt(stored) == "abc"
    assert factors.use_code(user=person, code=code_of(secret), now=timezone.now())


def test_sensitive_changes_ask_for_proof(person: User, secret: str) -> None:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    factor = Authenticator.objects.get(type="totp").pk
    remove = f"/account/factors/{factor}/remove/"
    for path in (remove, "/account/app/", "/account/passkey/", "/account/codes/", "/account/sessions/end-others/"):
        assert client.post(path)["Location"].startswith("/account/prove/password/")
    assert Authenticator.objects.filter(pk=factor).exists()
    client.post(f"/account/prove/code/?next={remove}", {"code": code_of(secret), "next": remove})
    assert client.get(remove).status_code == 200
    assert client.post(remove)["Location"] == "/account/"
    assert not Authenticator.objects.filter(user=person).exists()
    assert kinds("jane")[-1] == "person.factor_removed"


def test_nobody_else_touches_ones_factors(person: User, admin: User, secret: str) -> None:
    factor = Authenticator.objects.get(type="totp").pk
    now = timezone.now()
    attempts: list[Any] = [
        lambda: factors.remove(user=person, factor_id=factor, by=admin, now=now),
        lambda: factors.renew_codes(user=person, by=admin, now=now),
        lambda: factors.reset(user=person, by=person, now=now),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()
    assert factors.reset(user=person, by=admin, now=now)
    assert kinds("jane")[-1] == "person.factors_reset"
    assert not Authenticator.objects.filter(user=person).exists()


def test_wrong_first_code_adds_nothing(person: User) -> None:
    with pytest.raises(Invalid):
        factors.add_app(user=person, secret=generate_totp_secret(), code="12", by=person, now=timezone.now())
    assert not Authenticator.objects.exists()


def test_role_that_needs_a_factor_does_nothing_before(person: User, settings: Settings) -> None:
    settings.REQUIRE_MFA = ("reviewer",)
    client = Client()
    log_in(client, "jane")
    assert client.get("/approvals/approvalrequest/")["Location"] == "/account/"
    refused = client.get("/api/v1/approvals")
    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")
    shown = client.get("/account/app/").content.decode().split("data-select>")[1].split("<")[0]
    client.post("/account/app/", {"code": code_of(shown)})
    assert client.get("/api/v1/approvals").status_code == 200
    assert client.get("/approvals/approvalrequest/").status_code == 200


def test_sessions_are_listed_and_ended(person: User) -> None:
    here, there, third = Client(), Client(), Client(headers={"user-agent": "<b>Phone</b>"})
    for client in (here, there, third):
        log_in(client, "jane")
    page = here.get("/account/").content.decode()
    assert "&lt;b&gt;Phone" in page
    ends = [part.split('"')[0] for part in page.split('href="') if part.startswith("/account/sessions/")]
    single = [path for path in ends if "others" not in path]
    assert len(single) == 2
    assert here.post(single[0])["Location"] == "/account/"
    assert [is_in(there), is_in(third)].count(False) == 1
    here.post("/account/sessions/end-others/")
    assert is_in(here)
    assert not is_in(there)
    assert not is_in(third)
    assert "person.session_ended" in kinds("jane")


def test_nobody_ends_anothers_session(person: User, admin: User) -> None:
    mine, other = Client(), Client()
    log_in(mine, "jane")
    log_in(other, "root")
    page = mine.get("/account/").content
    assert page.count(b"this one") == 1
    foreign = UserSession.objects.get(user=admin).pk
    assert mine.post(f"/account/sessions/{foreign}/end/").status_code == 404
    assert is_in(other)
