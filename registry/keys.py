"""Agent keys: how they look, how they are checked (pure).

``acp_live_<id>_<secret>_<crc32>``: a public id of 16 base32 digits, a secret of 256 bits in
URL-safe base64 without padding, and the CRC-32 of all before it as 8 hex digits, so that a
mistyped key is refused before any query.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "acp_live_"
# In the place of a row and a pepper that are not there: what is unknown costs as much as what is wrong.
NO_MAC = "0" * 64
_NO_PEPPER = b"none"
_SHAPE = re.compile(r"acp_live_([a-z2-7]{16})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Token:
    """A well-formed key.

    Attributes:
        public_id: finds the row; may be shown and logged.
        secret: 256 bits, base64url; never stored.
    """

    public_id: str
    secret: str


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def mint() -> tuple[Token, str]:
    """Make a new key.

    Returns:
        The token and its full text, which is shown once.
    """
    public_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    secret = secrets.token_urlsafe(32)
    body = f"{PREFIX}{public_id}_{secret}"
    return Token(public_id, secret), f"{body}_{_checksum(body)}"


def parse(text: str) -> Token | None:
    """Read a key's text.

    Returns:
        The token, or None where form or checksum is wrong.
    """
    match = _SHAPE.fullmatch(text)
    if match is None or not hmac.compare_digest(_checksum(text[:-9]), match[3]):
        return None
    return Token(match[1], match[2])


def mac(token: Token, *, pepper: bytes) -> str:
    """Return the HMAC-SHA256 of the secret under a pepper, as hex: what the row keeps."""
    return hmac.new(pepper, f"{token.public_id}.{token.secret}".encode(), hashlib.sha256).hexdigest()


def matches(token: Token, *, stored: str, pepper_id: str, peppers: Mapping[str, bytes]) -> bool:
    """Compare a token with what a row keeps, in constant time and with the same work whatever is wrong.

    Args:
        token: what the caller sent.
        stored: the row's HMAC; `NO_MAC` where there is no row.
        pepper_id: the pepper that the row was made with.
        peppers: the peppers known, by id.
    """
    pepper = peppers.get(pepper_id)
    made = mac(token, pepper=_NO_PEPPER if pepper is None else pepper)
    return hmac.compare_digest(made, stored) and pepper is not None
