"""One way in, its lock, and what it never tells."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audit.models import Entry
from audit.refusals import Forbidden
from controlplane.accounts import lockouts
from registry.models import User
from registry.operations import change_password, deactivate, end_sessions, reactivate, set_role
from tests.controlplane.accounts.conftest import is_in, kinds, log_in
from tests.world import PASSWORD

pytestmark = pytest.mark.slow


def test_password_opens_a_session_and_the_trail_says_so(person: User) -> None:
    client = Client()
    answer = log_in(client, "jane")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)
    assert kinds("jane")[-1] == "person.logged_in"
    client.post("/logout/")
    assert not is_in(client)
    assert kinds("jane")[-1] == "person.logged_out"


def test_log_in_follows_only_local_addresses(person: User) -> None:
    for wanted, led in (("/runs/run/", "/runs/run/"), ("https://evil.example/", "/"), ("//evil.example", "/")):
        answer = Client().post("/login/", {"username": "jane", "password": PASSWORD, "next": wanted})
        assert answer["Location"] == led


def test_every_reason_gets_the_same_answer(person: User, admin: User) -> None:
    from_wrong = log_in(Client(), "jane", "not the password")
    from_nobody = log_in(Client(), "nobody-here", "not the password")
    deactivate(user=person, by=admin, now=timezone.now())
    from_inactive = log_in(Client(), "jane")
    texts = {
        answer.content.split(b'role="alert">')[1].split(b"<")[0] for answer in (from_wrong, from_nobody, from_inactive)
    }
    assert texts == {b"User name and password are not correct together."}
    assert {answer.status_code for answer in (from_wrong, from_nobody, from_inactive)} == {200}


@pytest.mark.parametrize("name", ["jane", "nobody-here"])
def test_the_sixth_try_meets_a_closed_log_in_whoever_it_is(person: User, name: str) -> None:
    answers = [log_in(Client(), name, f"wrong {number}").status_code for number in range(6)]
    assert answers == [200, 200, 200, 200, 429, 429]
    locked = log_in(Client(), name, PASSWORD)
    assert locked.status_code == 429
    assert locked["Retry-After"] == "900"
    failed = Entry.objects.filter(kind="person.log_in_failed").count()
    assert (failed, Entry.objects.filter(kind="person.locked_out").count()) == (5, 1)


def test_another_address_is_not_closed(person: User) -> None:
    for number in range(5):
        log_in(Client(), "jane", f"wrong {number}")
    assert log_in(Client(REMOTE_ADDR="10.0.0.9"), "jane").status_code == 302


def test_a_name_tried_from_everywhere_is_closed_everywhere(person: User) -> None:
    now = timezone.now()
    for number in range(lockouts.LIMIT_OF_NAME):
        lockouts.count(name="jane", address=f"10.0.{number}.1", now=now)
    assert log_in(Client(REMOTE_ADDR="10.9.9.9"), "jane").status_code == 429
    assert [lock.address for lock in lockouts.locks(now=now)] == [""]


def test_a_lock_opens_by_itself(person: User) -> None:
    past = timezone.now() - lockouts.COOL_OFF * 2
    for _ in range(5):
        lockouts.count(name="jane", address="127.0.0.1", now=past)
    lockouts.AccessAttempt.objects.update(attempt_time=past)
    assert log_in(Client(), "jane").status_code == 302


def test_an_administrator_opens_it_and_nobody_else(person: User, admin: User) -> None:
    for number in range(5):
        log_in(Client(), "jane", f"wrong {number}")
    with pytest.raises(Forbidden):
        lockouts.lift(name="jane", by=person, now=timezone.now())
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/account/closed-log-ins/")
    assert b"jane" in page.content
    assert client.post("/account/closed-log-ins/", {"name": "jane"}).status_code == 302
    assert kinds("jane")[-1] == "person.lock_lifted"
    assert log_in(Client(), "jane").status_code == 302
    other = Client()
    other.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    assert other.get("/account/closed-log-ins/").status_code == 404


def test_a_mistyped_password_as_name_is_kept_nowhere(person: User) -> None:
    log_in(Client(), "MySecretPassphrase42", "x")
    assert not lockouts.AccessAttempt.objects.filter(username__contains="MySecret").exists()
    assert "MySecret" not in str(list(Entry.objects.values_list("object_id", "details")))


def test_address_is_the_one_that_trusted_proxies_say(person: User) -> None:
    for number in range(5):
        log_in(Client(), "jane", f"wrong {number}", headers={"X-Forwarded-For": f"10.1.1.{number}"})
    assert [row.ip_address for row in lockouts.AccessAttempt.objects.all()] == ["127.0.0.1"]


@pytest.mark.parametrize("change", ["role", "password", "deactivate", "end"])
def test_change_of_an_account_ends_its_sessions(person: User, admin: User, change: str) -> None:
    client, now = Client(), timezone.now()
    log_in(client, "jane")
    assert is_in(client)
    row = User.objects.get(pk=person.pk)
    if change == "role":
        set_role(user=row, role="owner", by=admin, now=now)
    elif change == "password":
        change_password(user=row, password=PASSWORD + " 2", by=admin, now=now)
    elif change == "end":
        end_sessions(user=row, by=admin, now=now)
    else:
        deactivate(user=row, by=admin, now=now)
        reactivate(user=row, by=admin, now=now)
    assert not is_in(client)


def test_one_time_password_forces_a_change(person: User, admin: User) -> None:
    change_password(user=person, password="one time only 77", by=admin, now=timezone.now())
    client = Client()
    log_in(client, "jane", "one time only 77")
    for path in ("/", "/approvals/approvalrequest/", "/account/", "/home/"):
        assert client.get(path)["Location"] == "/password_change/"
    refused = client.get("/api/v1/approvals")
    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert client.get("/password_change/").status_code == 200
    fields = {"old_password": "one time only 77"}
    same = client.post(
        "/password_change/", {**fields, "new_password1": "one time only 77", "new_password2": "one time only 77"}
    )
    assert same.status_code == 422
    new = "another passphrase 88"
    assert client.post("/password_change/", {**fields, "new_password1": new, "new_password2": new}).status_code == 302
    assert client.get("/api/v1/approvals").status_code == 200
    assert client.get("/account/").status_code == 200


def test_passwords_off_refuses_a_right_password(person: User, settings: Settings) -> None:
    settings.PASSWORD_LOGIN = False
    client = Client()
    assert b'name="password"' not in client.get("/login/").content
    log_in(client, "jane")
    assert not is_in(client)


def test_console_leads_to_the_one_log_in(person: User) -> None:
    assert Client().get("/runs/run/")["Location"].startswith("/login/?next=")


def test_pages_outside_wear_the_policy(person: User) -> None:
    client = Client()
    log_in(client, "jane")
    for path in ("/login/", "/logout/", "/account/", "/account/app/", "/account/passkey/", "/account/codes/"):
        page = (Client() if path == "/login/" else client).get(path)
        assert page.status_code == 200, path
        assert "script-src 'self' 'unsafe-eval';" in page["Content-Security-Policy"] + ";"
        scripts = [part.split(">")[0] for part in page.content.decode().split("<script")[1:]]
        assert all("src=" in part or "application/json" in part for part in scripts), path
        assert "onclick=" not in page.content.decode()


def test_the_menu_leads_to_the_account_and_administrators_to_the_locks(person: User, admin: User) -> None:
    for username, sees_locks in (("jane", False), ("root", True)):
        client = Client()
        log_in(client, username)
        page = client.get("/account/").content
        assert b'href="/account/"' in page
        assert (b'href="/account/closed-log-ins/"' in page) is sees_locks


def test_person_page_ends_sessions_and_opens_the_log_in(person: User, admin: User) -> None:
    theirs, client = Client(), Client()
    log_in(theirs, "jane")
    log_in(client, "root")
    for word in ("end-sessions", "open-log-in", "reset-factors"):
        address = reverse(f"admin:registry_user_{word}", args=[person.pk])
        assert theirs.get(address).status_code in {302, 403, 404}, word
        assert client.get(address).status_code == 200, word
        assert client.post(address).status_code == 302, word
    assert not is_in(theirs)
