"""How messages are signed: Standard Webhooks, with every secret in force."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

PREFIX: Final = "whsec_"
_SECRET_BYTES = 32
_AGENT = "controlplane-webhooks/1"


def new_secret() -> str:
    """Return a fresh secret, in the form that receivers' libraries take."""
    return PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def hint(secret: str) -> str:
    """Return what is shown of a secret: its last four characters."""
    return secret.rstrip("=")[-4:]


def signed_headers(*, message_id: str, body: str, keys: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of one message.

    Args:
        message_id: the same at each attempt: receivers drop what they have.
        body: the exact text.
        keys: one, or two while one replaces the other.
        now: of this attempt, aware UTC: receivers refuse old ones.
    """
    return {
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, now, body) for key in keys),
    }
