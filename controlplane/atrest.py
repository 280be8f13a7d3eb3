"""Secrets at rest that are bound to their row: a ciphertext that is copied to another row or column opens nothing.

AES-256-GCM; the key is derived from each of the installation's encryption keys, of which the first encrypts and all
decrypt, as for `controlplane.accounts.encryption`. The place (table, row, column) is authenticated, not stored.
"""

from __future__ import annotations

import functools
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_NONCE_BYTES = 12
_VERSION = "r1."


class Unreadable(Exception):
    """No key of the installation made this, or it was made for another place."""


def seal(text: str, *, place: str) -> str:
    """Return a text as it may be stored.

    Args:
        text: the secret.
        place: where it will stand: ``delivery_endpoint/<id>/secret``.
    """
    nonce = os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_key(settings.ENCRYPTION_KEYS[0]))
    return _VERSION + urlsafe_b64encode(nonce + cipher.encrypt(nonce, text.encode(), place.encode())).decode()


def open_sealed(stored: str, *, place: str) -> str:
    """Return the text that was stored.

    Raises:
        Unreadable: another installation's, another place's, or damaged.
    """
    try:
        raw = urlsafe_b64decode(stored.removeprefix(_VERSION))
    except ValueError as error:
        raise Unreadable from error
    for key in settings.ENCRYPTION_KEYS:
        try:
            return AESGCM(_key(key)).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            continue
    raise Unreadable


def derive(purpose: str, *, length: int = 32) -> bytes:
    """Return bytes that only this installation can make, the same each time while its first encryption key stays.

    Args:
        purpose: what for; another word gives other bytes.
        length: how many bytes.
    """
    return _derived(settings.ENCRYPTION_KEYS[0], f"acp.derived.v1:{purpose}", length)


@functools.lru_cache(maxsize=16)
def _key(fernet_key: str) -> bytes:
    return _derived(fernet_key, "acp.row.v1", 32)


def _derived(fernet_key: str, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=info.encode()).derive(urlsafe_b64decode(fernet_key))
