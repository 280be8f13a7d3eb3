"""The ways in which somebody asks for a page: each a client with the session that the page wants."""

from __future__ import annotations

import enum
import json
from typing import Any, Final

from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest
from django.test import Client, override_settings
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from registry.models import User
from tests.world import PASSWORD, QuickHasher

_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


class Way(enum.Enum):
    """How far somebody is in."""

    # Nobody is logged in.
    OUT = enum.auto()
    # The password was right, the second factor is due.
    HALF = enum.auto()
    # Logged in, a while ago.
    IN = enum.auto()
    # Logged in, and proved a moment ago that it is them.
    PROVEN = enum.auto()


def enter(username: str, way: Way) -> Client:
    """Return a client that is as far in as a page wants it.

    Args:
        username: of a person whose password is `tests.world.PASSWORD`.
        way: how far.
    """
    if way is Way.HALF:
        client, onward = enter_by_password(username)
        assert onward == "/login/code/"
        return client
    client = Client()
    if way is Way.OUT:
        return client
    user = User.objects.get(username=username)
    client.force_login(user, backend=_BACKEND)
    if way is Way.PROVEN:
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, user, "password")
        request.session.save()
    return client


def enter_by_password(username: str) -> tuple[Client, str]:
    """Send the log-in form; return the client and where it is led."""
    client = Client()
    with override_settings(PASSWORD_HASHERS=[f"{QuickHasher.__module__}.{QuickHasher.__qualname__}"]):
        answer = client.post("/login/", {"username": username, "password": PASSWORD})
    return client, answer.headers["Location"]


def registered_passkey() -> dict[str, Any]:
    """Return what a browser answers when a passkey is registered; its key is a point of the curve and opens nothing."""
    point = {
        -2: bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        -3: bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    }
    key = ES256({1: 2, 3: -7, -1: 1, **point})
    credential = AttestedCredentialData.create(Aaguid(bytes(16)), b"passkey-of-tests", key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    data = AuthenticatorData.create(bytes(32), flags, 0, credential)
    said = CollectedClientData.create(CollectedClientData.TYPE.CREATE, b"challenge", "http://localhost")
    answer: dict[str, Any] = {
        "id": websafe_encode(credential.credential_id),
        "rawId": websafe_encode(credential.credential_id),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(said),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }
    return json.loads(json.dumps(answer))  # type: ignore[no-any-return]
