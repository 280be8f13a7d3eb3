"""Secrets at rest: encrypted by the installation's keys; the first encrypts, all decrypt."""

from __future__ import annotations

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def encrypt(text: str) -> str:
    """Return a text as it may be stored."""
    return _keys().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """Return the text that was stored.

    Raises:
        cryptography.fernet.InvalidToken: no key of the installation made it.
    """
    return _keys().decrypt(stored.encode()).decode()


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
