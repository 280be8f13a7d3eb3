"""The installation's secrets inside an archive: encrypted with a passphrase, and recognised without being told."""

from __future__ import annotations

import hashlib
import hmac
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from controlplane.keyring import Keyring
from controlplane.operating.backup.archive import BackupError

SHORTEST_PASSPHRASE = 12
# Scrypt as RFC 7914 recommends for files: about a tenth of a second and 64 MiB for each guess.
_COST = 1 << 16
_SALT_BYTES, _NONCE_BYTES = 16, 12
_LABEL = b"controlplane backup secrets v1"


def texts(keyring: Keyring) -> dict[str, str]:
    """Return the secrets as their variables and files hold them."""
    return {
        "secret_key": keyring.secret_key,
        "key_peppers": ",".join(f"{name}:{pepper.hex()}" for name, pepper in keyring.key_peppers.items()),
        "encryption_keys": ",".join(keyring.encryption_keys),
    }


def fingerprints(keyring: Keyring) -> dict[str, str]:
    """Return 64 bits of a keyed digest of each secret; they are random and long, so nothing can be guessed from it."""
    return {
        name: hmac.new(text.encode(), _LABEL, hashlib.sha256).hexdigest()[:16] for name, text in texts(keyring).items()
    }


def encrypt(keyring: Keyring, passphrase: str) -> bytes:
    """Return the secrets, encrypted.

    Raises:
        BackupError: the passphrase is too short.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupError(f"The passphrase must have at least {SHORTEST_PASSPHRASE} characters.")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    content = json.dumps(texts(keyring)).encode()
    return salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, content, _LABEL)


def decrypt(raw: bytes, passphrase: str) -> dict[str, str]:
    """Return the secrets by name.

    Raises:
        BackupError: the passphrase is wrong.
    """
    salt, nonce, content = (
        raw[:_SALT_BYTES],
        raw[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES],
        raw[_SALT_BYTES + _NONCE_BYTES :],
    )
    try:
        found: dict[str, str] = json.loads(AESGCM(_key(passphrase, salt)).decrypt(nonce, content, _LABEL))
    except InvalidTag:
        raise BackupError("The passphrase is not the one that the secrets were encrypted with.") from None
    return found


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode())
