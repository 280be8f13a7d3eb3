"""The exact bytes of an action, as people read them, and what changed between two revisions (pure)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from controlplane.console import diffs, formats, text


@dataclass(frozen=True, slots=True)
class Bytes:
    """What will be executed, complete.

    Attributes:
        size: how many bytes.
        canonical: the RFC 8785 form: what is hashed, voted on and handed out.
        pretty: the same, laid out in lines.
        hidden: how many characters are invisible or change the direction of writing.
    """

    size: int
    canonical: str
    pretty: str
    hidden: int


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit changed: lines of the action, and labels of its data."""

    lines: tuple[diffs.Line, ...]
    labels: str


def shown(body: bytes) -> Bytes:
    """Return bytes in readable form; nothing is ever cut."""
    canonical = body.decode()
    value = json.loads(body)
    return Bytes(len(body), canonical, text.pretty(value), text.hidden_count(canonical))


def hidden_note(body: bytes, digest: str, *, is_open: bool) -> str:
    """Return what stands in place of bytes that a person may not read."""
    reason = "its reviewers may open it" if is_open else "closed: its reviewers keep digest, votes and outcome"
    return f"{formats.plural(len(body), 'byte')} · {formats.short_digest(digest)} · hidden: {reason}"


def read_change(before: bytes, after: bytes, old: dict[str, Any], new: dict[str, Any]) -> Change:
    """Compare two revisions.

    Args:
        before: the earlier canonical action.
        after: the later one.
        old: what was extracted and declared with the earlier one.
        new: the same of the later one.
    """
    lines = diffs.line_diff(text.pretty(json.loads(before)), text.pretty(json.loads(after)))
    labels = ""
    if old["data_classes"] != new["data_classes"]:
        was, now = (", ".join(facts["data_classes"]) or "none" for facts in (old, new))
        labels = f"data classes: {was} → {now}"
    return Change(tuple(lines), labels)
