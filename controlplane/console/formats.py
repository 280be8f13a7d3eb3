"""How numbers, money and times are written for people (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from registry.amounts import Money

NANO: Final = 1_000_000_000
_CENT: Final = NANO // 100
_LEAST_SHOWN: Final = NANO // 10_000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_RELATIVE_UNTIL: Final = timedelta(days=7)
_SMALL_SAMPLE: Final = 30


def money(nanousd: int | None, *, unpriced: int = 0) -> str:
    """Write nano-USD: ``$1,284.17``, under a cent ``$0.0041``, unknown ``unpriced``.

    Args:
        nanousd: None where no price is known.
        unpriced: how many calls of a sum have no known price; never hidden in the sum.
    """
    if nanousd is None:
        return "unpriced"
    if unpriced and nanousd == 0:
        return f"{count(unpriced)} unpriced"
    text = _dollars(nanousd)
    return f"{text} + {count(unpriced)} unpriced" if unpriced else text


def _dollars(nanousd: int) -> str:
    sign, size = ("−" if nanousd < 0 else ""), abs(nanousd)
    if size == 0:
        return "$0.00"
    if size < _LEAST_SHOWN:
        return f"{sign}under $0.0001"
    if size < _CENT:
        digits = f"{(size * 10_000 + NANO // 2) // NANO:04d}"
        return f"{sign}$0.{digits}"
    cents = (size * 100 + NANO // 2) // NANO
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def amount(money: Money) -> str:
    """Write money that an action moves, its thousands divided: ``12,500,000.00 USD``."""
    return f"{money.value:,f} {money.currency}"


def count(number: int) -> str:
    """Write a count: ``18,204``, from 100,000 on ``120k`` and ``1.2M``."""
    if number < 100_000:
        return f"{number:,}"
    if number < 1_000_000:
        return f"{number // 1000}k"
    return f"{number / 1_000_000:.1f}M"


def rate(part: int, whole: int) -> str:
    """Write a rate with its sample: ``2.1 % (7 of 331)``; of fewer than 30 the counts only."""
    if whole < _SMALL_SAMPLE:
        return f"{part} of {whole}"
    return f"{part * 100 / whole:.1f} % ({count(part)} of {count(whole)})"


def duration(span: timedelta | None) -> str:
    """Write a duration in at most two units: ``3 ms``, ``1.4 s``, ``4 min 12 s``."""
    if span is None:
        return "–"
    milliseconds = round(span.total_seconds() * 1000)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return _two_units(milliseconds // 1000)


def _two_units(seconds: int) -> str:
    for place, (name, size) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            if place + 1 < len(_UNITS):
                smaller, smaller_size = _UNITS[place + 1]
                if rest // smaller_size:
                    return f"{whole} {name} {rest // smaller_size} {smaller}"
            return f"{whole} {name}"
    return "0 s"


def _one_unit(seconds: int) -> str:
    for name, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {name}"
    return "0 s"


def relative(moment: datetime, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment as people say it: ``3 min ago``, ``in 12 min``; further away than 7 days the date."""
    distance = moment - now
    if abs(distance) > _RELATIVE_UNTIL:
        return _by_clock(moment, zone).strftime("%d %b %Y")
    seconds = int(abs(distance).total_seconds())
    if seconds < 5:
        return "now"
    text = _one_unit(seconds)
    return f"in {text}" if distance > timedelta(0) else f"{text} ago"


def _by_clock(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        # At the ends of the calendar some zones have no time for it.
        return moment.astimezone(UTC)


def absolute(moment: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment exactly, with seconds: ``2026-11-23 10:00:00 CET``."""
    return _by_clock(moment, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def deadline(moment: datetime, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Write a deadline both ways: ``in 12 min (18:00 CET)``."""
    return f"{relative(moment, now=now, zone=zone)} ({clock(moment, now=now, zone=zone)})"


def clock(moment: datetime, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment as a clock shows it, with its date where that is not plain: ``18:00 CET``."""
    form = "%H:%M %Z" if abs(moment - now) < timedelta(hours=24) else "%d %b %H:%M %Z"
    return _by_clock(moment, zone).strftime(form)


def short_id(text: str) -> str:
    """Return the last 8 characters of an id."""
    return f"…{text[-8:]}" if len(text) > 8 else text


def short_digest(digest: str) -> str:
    """Write a digest as ``9f2c…41ab``."""
    return f"{digest[:4]}…{digest[-4:]}" if digest else ""


def plural(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"
