"""What a browser sends of the console's forms."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

_SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')


def over(client: Client, url: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return what is sent by whoever opens a form now: the fields, and what the form was filled with.

    Args:
        client: of the person.
        url: of the dialog.
        data: the fields.
    """
    found = _SEEN.search(client.get(url).content.decode())
    assert found, f"{url} remembers nothing"
    return {**data, "seen": found[1]}
