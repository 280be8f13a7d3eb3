"""What makes two failures the same: error type, normalised message, step (pure).

The normal form drops what differs from one occurrence to the next (numbers, ids, addresses,
quoted values) and keeps the words.
"""

from __future__ import annotations

import re

from audit.canonical import digest_bytes

DOMAIN = "acp.failure.v1"
LONGEST = 500
# Longer texts say nothing more, and every rule below costs time per character.
_READ = 4_000

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r'"[^"\n]{0,400}"'), "<text>"),
    (re.compile(r"`[^`\n]{0,400}`"), "<text>"),
    # An apostrophe inside a word opens no quotation.
    (re.compile(r"(?<!\w)'[^'\n]{0,400}'(?!\w)"), "<text>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s<>]+"), "<url>"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "<email>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<n>"),
    # A word of hex digits counts as an id only if it holds a digit: "defaced" is a word. Ids and numbers
    # look the same afterwards, since an id may by chance have no letter.
    (re.compile(r"\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"), "<n>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)


def normalise(message: str) -> str:
    """Return the message in its normal form: lower case, at most `LONGEST` characters."""
    text = message[:_READ].lower()
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.strip()[:LONGEST].rstrip()


def fingerprint(*, error_type: str, message: str, step: str) -> str:
    """Return what groups failures of one agent, as 64 hex digits.

    Args:
        error_type: class or code of the error.
        message: its message, not yet normalised.
        step: name of the step; empty for the run as a whole.
    """
    parts = (error_type.strip(), normalise(message), step.strip())
    return digest_bytes(DOMAIN, "\x00".join(parts).encode("utf-8", "replace"))


def same_cause(a: tuple[str, str], b: tuple[str, str]) -> bool:
    """Say whether two (error type, message) pairs speak of the same error."""
    return a[0].strip() == b[0].strip() and normalise(a[1]) == normalise(b[1])
