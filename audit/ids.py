"""Identifiers that sort by time."""

from __future__ import annotations

import uuid
from datetime import datetime

from uuid_utils import compat


def new_id() -> uuid.UUID:
    """Return a fresh UUIDv7 (RFC 9562): unique, ordered by creation time."""
    return compat.uuid7()


def read_id(text: str) -> uuid.UUID | None:
    """Return the id that a text names, or None: an entry's object may also be named by a word."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def floor_id(moment: datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of a moment, for range scans by time over ids."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return uuid.UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62))
