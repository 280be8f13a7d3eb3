"""Log-in through an identity provider, end to end over HTTP on loopback."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from audit.models import Entry
from registry.models import Team, User
from tests.controlplane.accounts.conftest import is_in, kinds, log_in
from tests.controlplane.accounts.provider import Provider
from tests.world import make_team

pytestmark = pytest.mark.slow


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    running = Provider()
    settings.OIDC_ISSUER = running.issuer
    settings.OIDC_ROLES = (("admin", "cn=admins,ou=cp"), ("operator", "operators"))
    settings.OIDC_TEAMS = (("talent", "talent-people"),)
    settings.ENVIRONMENT = dataclasses.replace(settings.ENVIRONMENT, oidc_client_id="cp")
    app = {
        "provider_id": "sso",
        "name": "Company",
        "client_id": "cp",
        "secret": "s3cret",
        "settings": {"server_url": running.issuer},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    yield running
    running.close()


def come(provider: Provider, client: Client, code: str = "good", state: str = "") -> Any:
    """Walk from our button to the provider and back."""
    sent = client.post("/login/provider/")
    assert sent.status_code == 302, sent.content
    asked = parse_qs(urlsplit(sent["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    provider.challenge = asked["code_challenge"][0]
    return client.get("/login/provider/sso/callback/", {"code": code, "state": state or asked["state"][0]})


def test_a_new_person_comes_in_with_role_and_team(provider: Provider, admin: User) -> None:
    make_team("talent", by=admin)
    provider.claims = {"preferred_username": "olga", "groups": ["operators", "talent-people"]}
    client = Client()
    answer = come(provider, client)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)
    user = User.objects.get(username="olga")
    assert (user.role, user.has_usable_password(), user.is_staff) == ("operator", False, True)
    assert list(Team.objects.operated_by(user).values_list("slug", flat=True)) == ["talent"]
    assert kinds("olga") == ["person.created", "person.account_linked", "person.logged_in"]
    assert Entry.objects.get(kind="person.created", object_id="olga").actor_id == "identity_provider"
    assert not SocialToken.objects.exists()
    assert SocialAccount.objects.get().extra_data == {}
    assert "at-canary" not in str([row.get_decoded() for row in Session.objects.all()])


def test_groups_are_read_anew_and_their_loss_refuses(provider: Provider, admin: User) -> None:
    make_team("talent", by=admin)
    provider.claims = {"preferred_username": "olga", "groups": ["operators", "talent-people"]}
    first = Client()
    come(provider, first)
    provider.claims = {"preferred_username": "olga", "groups": ["cn=admins,ou=cp", "operators"]}
    second = Client()
    come(provider, second)
    assert User.objects.get(username="olga").role == "admin"
    assert not is_in(first)
    assert is_in(second)
    provider.claims = {"preferred_username": "olga", "groups": ["others"]}
    third = Client()
    assert come(provider, third).status_code == 403
    assert not is_in(third)
    assert not is_in(second)
    assert User.objects.get(username="olga").role == "reviewer"
    assert not Team.objects.get(slug="talent").members.exists()
    assert kinds("olga")[-1] == "person.log_in_refused"


def test_unmapped_stranger_leaves_nobody(provider: Provider, db: None) -> None:
    provider.claims = {"preferred_username": "olga", "groups": "none"}
    assert come(provider, Client()).status_code == 403
    assert not User.objects.exists()


def test_a_taken_name_is_never_taken_over(provider: Provider, admin: User) -> None:
    provider.claims = {"preferred_username": "root", "groups": ["operators"]}
    client = Client()
    assert come(provider, client).status_code == 403
    assert not is_in(client)
    assert User.objects.get(username="root").role == "admin"


def test_a_person_connects_and_then_comes_in(provider: Provider, person: User) -> None:
    client = Client()
    log_in(client, "jane")
    provider.claims = {"preferred_username": "someone", "groups": ["operators"]}
    assert come(provider, client)["Location"] == "/account/"
    assert kinds("jane")[-1] == "person.account_linked"
    other = Client()
    come(provider, other)
    assert is_in(other)
    assert User.objects.get(username="jane").role == "operator"


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1000}, {"sub": "s2"}],
    ids=["audience", "issuer", "expired", "another person than userinfo"],
)
def test_a_bad_token_lets_nobody_in(provider: Provider, db: None, claims: dict[str, Any]) -> None:
    provider.claims = {"preferred_username": "olga", "groups": ["operators"], **claims}
    client = Client()
    assert come(provider, client).status_code == 403
    assert not is_in(client)
    assert not User.objects.exists()


def test_a_foreign_signature_lets_nobody_in(provider: Provider, db: None) -> None:
    provider.claims = {"preferred_username": "olga", "groups": ["operators"]}
    provider.foreign_key = True
    assert come(provider, Client()).status_code == 403
    assert not User.objects.exists()


def test_another_state_or_code_lets_nobody_in(provider: Provider, db: None) -> None:
    provider.claims = {"preferred_username": "olga", "groups": ["operators"]}
    assert come(provider, Client(), state="forged").status_code == 403
    assert come(provider, Client(), code="bad").status_code == 403
    assert not User.objects.exists()


def test_no_provider_no_addresses(db: None) -> None:
    assert Client().post("/login/provider/").status_code == 404
    assert Client().get("/login/provider/sso/callback/").status_code == 404
