"""Whose address the lock-out counts, tries side by side, and the same work for whoever is refused."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from types import FrameType

import pytest
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.contrib.auth.hashers import check_password
from django.db import connection
from django.http import SimpleCookie
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from audit.models import Entry
from controlplane.accounts import factors, lockouts
from registry import keys
from registry.authentication import authenticate
from registry.models import User
from registry.operations import change_password, deactivate, revoke_key
from tests.controlplane.accounts.conftest import code_of, log_in
from tests.together import WAIT, at_once
from tests.world import NOW, PASSWORD, QuickHasher, make_admin, make_key, make_person, make_world

PROXY = "10.0.0.1"
CREW = 16


class Counted(QuickHasher):
    """Counts how often a password is hashed, and takes as long as a hasher should: tries side by side overlap."""

    iterations = 60_000
    hashed: list[str] = []

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Hash."""
        self.hashed.append(salt)
        return super().encode(password, salt, iterations)


@pytest.fixture
def hashed(settings: Settings) -> list[str]:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counted"]
    Counted.hashed.clear()
    return Counted.hashed


def behind(proxy: str, *hops: str) -> Client:
    return Client(REMOTE_ADDR=proxy, headers={"X-Forwarded-For": ", ".join(hops)})


def addresses() -> set[str]:
    return set(lockouts.AccessAttempt.objects.values_list("ip_address", flat=True))


@pytest.mark.slow
def test_a_stranger_cannot_say_where_it_comes_from(person: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = (ipaddress.ip_network(PROXY),)
    statuses = [log_in(behind("203.0.113.9", f"198.51.100.{n}"), "jane", "wrong").status_code for n in range(6)]
    assert statuses[-1] == 429, "a new address in the header was a new beginning"
    assert addresses() == {"203.0.113.9"}
    # Nor can it close somebody else's: the address that it named is open.
    assert log_in(behind(PROXY, "198.51.100.0"), "jane").status_code == 302


@pytest.mark.slow
def test_what_a_caller_writes_before_the_proxy_counts_for_nothing(person: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = (ipaddress.ip_network(PROXY),)
    for number in range(6):
        status = log_in(behind(PROXY, f"198.51.100.{number}", "203.0.113.9"), "jane", "wrong").status_code
    assert status == 429
    assert addresses() == {"203.0.113.9"}


@pytest.mark.slow
def test_one_client_behind_the_proxy_locks_nobody_else_out(person: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = (ipaddress.ip_network(PROXY),)
    for number in range(lockouts.LIMIT_OF_ADDRESS):
        lockouts.count(name=f"name-{number}", address="203.0.113.9", now=timezone.now())
    assert log_in(behind(PROXY, "203.0.113.9"), "jane").status_code == 429
    assert log_in(behind(PROXY, "203.0.113.10"), "jane").status_code == 302
    assert log_in(Client(REMOTE_ADDR=PROXY), "jane").status_code == 302


@pytest.mark.slow
def test_a_right_password_takes_its_try_back(person: User) -> None:
    for _ in range(lockouts.LIMIT + 3):
        client = Client()
        assert log_in(client, "jane").status_code == 302
        assert client.post("/account/prove/password/", {"password": PASSWORD}).status_code == 302
    assert not lockouts.AccessAttempt.objects.filter(failures_since_start__gt=0).exists()
    log_in(Client(), "jane", "wrong")
    assert client.post("/account/prove/password/", {"password": PASSWORD}).status_code == 302
    assert lockouts.AccessAttempt.objects.get().failures_since_start == 1


def race(passwords: list[str]) -> tuple[list[int], int]:
    """Log in as jane many times at once; return the answers and how many passwords were looked at."""
    calls = [lambda word=word: log_in(Client(), "jane", word).status_code for word in passwords]
    Counted.hashed.clear()
    return at_once(*calls), len(Counted.hashed)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_wrong_log_ins_at_once_are_no_more_than_the_bound(hashed: list[str]) -> None:
    make_admin()
    jane = make_person("jane", "reviewer")
    jane.set_password(PASSWORD)
    jane.save(update_fields=["password"])
    answers, looked_at = race(["wrong"] * CREW)
    assert looked_at == lockouts.LIMIT
    assert answers.count(429) >= CREW - lockouts.LIMIT
    assert Entry.objects.filter(kind="person.log_in_failed").count() == lockouts.LIMIT
    assert Entry.objects.filter(kind="person.locked_out").count() == 1
    assert log_in(Client(), "jane").status_code == 429


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_guessed_codes_at_once_are_no_more_than_the_bound() -> None:
    jane = make_person("jane", "reviewer")
    past = timezone.now() - timedelta(minutes=2)
    secret = generate_totp_secret()
    code = factors.format_hotp_value(factors.hotp_value(secret, int(past.timestamp()) // factors.PERIOD))
    factors.add_app(user=jane, secret=secret, code=code, by=jane, now=past)
    first = Client()
    assert log_in(first, "jane")["Location"] == "/login/code/"
    known = {name: morsel.value for name, morsel in first.cookies.items()}

    def guess() -> int:
        client = Client()
        client.cookies = SimpleCookie(known)
        return client.post("/login/code/", {"code": "000000"}).status_code

    answers = at_once(*[guess] * CREW)
    assert answers.count(200) == lockouts.LIMIT - 1
    assert answers.count(429) == CREW - lockouts.LIMIT + 1
    assert Entry.objects.filter(kind="person.log_in_failed").count() == lockouts.LIMIT
    assert first.post("/login/code/", {"code": code_of(secret)}).status_code == 429


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_looking_first_and_counting_later_is_caught(hashed: list[str]) -> None:
    """The naive twin: whether the log-in is closed is read, the password is looked at, then the failure is counted."""
    jane = make_person("jane", "reviewer")
    barrier = Barrier(CREW)

    def naive() -> int:
        since = timezone.now() - lockouts.COOL_OFF
        if lockouts._count("jane", "127.0.0.1", since=since) >= lockouts.LIMIT:
            return 429
        barrier.wait(WAIT)
        check_password("wrong", jane.password)
        lockouts.count(name="jane", address="127.0.0.1", now=timezone.now())
        return 200

    assert at_once(*[naive] * CREW).count(200) == CREW > lockouts.LIMIT


@pytest.mark.slow
def test_the_same_is_hashed_and_asked_whoever_is_refused(person: User, admin: User, hashed: list[str]) -> None:
    change_password(user=person, password=PASSWORD, by=person, now=timezone.now())
    closed = make_person("closed", "reviewer")
    change_password(user=closed, password=PASSWORD, by=closed, now=timezone.now())
    deactivate(user=closed, by=admin, now=timezone.now())
    outside = make_person("outside", "reviewer")
    outside.set_unusable_password()
    outside.save(update_fields=["password"])
    log_in(Client(), "warm-up", "wrong")
    work = {}
    for name in ("jane", "nobody-here", "closed", "outside"):
        hashed.clear()
        with CaptureQueriesContext(connection) as asked:
            assert log_in(Client(), name, "not the password").status_code == 200
        work[name] = (len(hashed), len(asked))
    assert len(set(work.values())) == 1, work
    assert work["jane"][0] == 1


@pytest.mark.slow
def test_a_closed_log_in_hashes_nothing_whoever_it_is(person: User, hashed: list[str]) -> None:
    for name in ("jane", "nobody-here"):
        for _ in range(lockouts.LIMIT):
            log_in(Client(), name, "wrong")
        hashed.clear()
        assert log_in(Client(), name, PASSWORD).status_code == 429
        assert hashed == []


@contextmanager
def macs_made() -> Iterator[list[str]]:
    """Count the HMACs of keys, by watching the interpreter: nothing of ours is replaced."""
    made: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is keys.mac.__code__:
            made.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        yield made
    finally:
        sys.setprofile(None)


@pytest.mark.django_db
def test_the_same_is_computed_for_whatever_is_wrong_with_a_key(settings: Settings) -> None:
    world = make_world()
    peppers = settings.KEY_PEPPERS
    known = keys.parse(world.text)
    assert known is not None
    body = f"{keys.PREFIX}{known.public_id}_{'A' * 43}"
    gone, text_of_gone = make_key(world.agent, by=world.admin)
    revoke_key(key=gone, by=world.admin, now=NOW)
    wrong = {
        "wrong secret": f"{body}_{keys._checksum(body)}",
        "unknown id": keys.mint()[1],
        "revoked": text_of_gone,
        "pepper gone": world.text,
    }
    work = {}
    for name, text in wrong.items():
        settings.KEY_PEPPERS = {"other": b"x" * 32} if name == "pepper gone" else peppers
        with CaptureQueriesContext(connection) as asked, macs_made() as made:
            assert authenticate(text, now=NOW) is None
        work[name] = (len(made), len(asked))
    assert set(work.values()) == {(1, 1)}, work
    # What has not even the form says nothing about what exists, and costs nothing (semantics 9).
    for text in ("", "acp_live_x", world.text[:-1], world.text.replace("_", "-"), world.text.upper()):
        with CaptureQueriesContext(connection) as asked, macs_made() as made:
            assert authenticate(text, now=NOW) is None
        assert (len(made), len(asked)) == (0, 0)
