"""Money as integer nano-USD (pure): 1 USD = 1,000,000,000."""

from __future__ import annotations

import re

NANO = 1_000_000_000
# One billion USD: sums of a few such amounts still fit the database's 64-bit integers.
MAX_NANOUSD = NANO * 1_000_000_000
# Of one call no more is told apart (280,000 USD). The dearest of the shipped list, each bucket full, costs less.
MAX_CALL_NANOUSD = 2**48
# Sums of spend end here (2.3 billion USD): whatever is reported, they and a few of them together stay within 64 bits.
# PostgreSQL fails beyond; SQLite goes on with inexact floats, or fails.
FULL = 2**61

_TEXT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?")


def parse_usd(text: str) -> int:
    """Read an amount of USD exactly.

    Args:
        text: digits with at most nine decimal places, for example ``200.00``: no sign, exponent,
            currency or thousands separator.

    Returns:
        Nano-USD.

    Raises:
        ValueError: another form, or more than a billion USD.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("Write an amount of USD as digits with at most nine decimal places, for example 200.00.")
    nanousd = int(match[1]) * NANO + int((match[2] or "").ljust(9, "0"))
    if nanousd > MAX_NANOUSD:
        raise ValueError("At most 1000000000 USD are admitted.")
    return nanousd


def format_usd(nanousd: int) -> str:
    """Write nano-USD as USD, exactly, with two decimal places or as many as it takes.

    `parse_usd` reads it back to the same number where that is not negative.
    """
    whole, rest = divmod(abs(nanousd), NANO)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanousd < 0 else ''}{whole}.{places}"
