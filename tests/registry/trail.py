"""Looking at the trail."""

from __future__ import annotations

import json
from typing import Any

from audit.models import Entry


def kinds() -> list[str]:
    """Return the kinds of all entries, oldest first."""
    return list(Entry.objects.order_by("id").values_list("kind", flat=True))


def last(kind: str) -> Entry:
    """Return the newest entry of a kind."""
    return Entry.objects.filter(kind=kind).order_by("-id")[0]


def details(kind: str) -> dict[str, Any]:
    """Return the details of the newest entry of a kind."""
    found: dict[str, Any] = json.loads(last(kind).details)
    return found
