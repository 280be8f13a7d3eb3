"""One line of the checklist before publishing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist before publishing; `passed` None: it is not decided by this."""

    passed: bool | None
    text: str
