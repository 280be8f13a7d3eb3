"""How a ``review`` rule says who decides: a queue by name, or whatever queues take the action (pure).

``queue: outreach`` is that queue. ``queue: auto`` leaves it to the queues' own ``matches``;
``queue: auto/outreach`` does the same and falls back on a queue where none matches. No queue can
have the name ``auto``, and no name holds a slash.
"""

from __future__ import annotations

from typing import Final

AUTO: Final = "auto"


def is_routed(wanted: str) -> bool:
    """Say whether the queues choose for themselves."""
    return wanted == AUTO or wanted.startswith(f"{AUTO}/")


def named_queue(wanted: str) -> str:
    """Return the queue that must exist for a rule to be published: the named one, or the fallback; empty for none."""
    return wanted.partition("/")[2] if is_routed(wanted) else wanted


def words_for(wanted: str) -> str:
    """Say in words who decides."""
    if not is_routed(wanted):
        return wanted
    fallback = named_queue(wanted)
    return f"every queue that takes it, else {fallback}" if fallback else "every queue that takes it"
