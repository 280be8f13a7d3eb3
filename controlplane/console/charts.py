"""The geometry of charts, drawn by the server as SVG (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 120
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        x, y, width, height: in the chart's own units, origin at the top left.
        label: what it stands for.
        value: what it says, written for people.
        url: the rows it counts, or empty.
    """

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart.

    Attributes:
        title: what is drawn.
        bars: from left to right.
        top: the largest value, written for people.
        limit_y: where a line for a limit lies, or None.
        limit: the limit, written for people.
    """

    title: str
    bars: tuple[Bar, ...]
    top: str
    limit_y: float | None = None
    limit: str = ""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def first(self) -> str:
        """Label of the first bar."""
        return self.bars[0].label if self.bars else ""

    @property
    def last(self) -> str:
        """Label of the last bar."""
        return self.bars[-1].label if self.bars else ""


def bars(title: str, points: Sequence[tuple[str, int, str, str]], *, top: str) -> Bars:
    """Lay bars out.

    Args:
        title: what is drawn.
        points: label, value, value as text, and address, for each bar.
        top: the largest value as text.
    """
    largest = max((value for _, value, _, _ in points), default=0) or 1
    step = WIDTH / max(1, len(points))
    found = []
    for place, (label, value, written, url) in enumerate(points):
        height = value * (HEIGHT - 4) / largest
        if value:
            height = max(height, 2.0)
        found.append(
            Bar(round(place * step, 2), round(HEIGHT - height, 2), round(step - _GAP, 2), round(height, 2),
                label, written, url)
        )  # fmt: skip
    return Bars(title, tuple(found), top)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a whole, in percent of the drawn width."""

    x: float
    width: float
    label: str
    value: str
    tone: str
    url: str


@dataclass(frozen=True, slots=True)
class Share:
    """How a whole is divided."""

    title: str
    parts: tuple[Part, ...]


def share(title: str, points: Sequence[tuple[str, int, str, str]]) -> Share:
    """Divide a whole.

    Args:
        title: what is divided.
        points: label, count, tone and address, for each part; empty parts are left out.
    """
    whole = sum(value for _, value, _, _ in points) or 1
    found, x = [], 0.0
    for label, value, tone, url in points:
        if value:
            width = value * 100 / whole
            found.append(Part(round(x, 2), round(width - 0.3, 2), label, str(value), tone, url))
            x += width
    return Share(title, tuple(found))


@dataclass(frozen=True, slots=True)
class Meter:
    """Spend against a limit, in percent of the drawn width.

    Attributes:
        settled: width of what is spent.
        reserved: width of what is set aside, after it.
        mark: where the limit stands; 100 unless more than the limit is taken.
        percent: spent, in whole percent of the limit.
    """

    settled: float
    reserved: float
    mark: float
    percent: int

    @property
    def over(self) -> bool:
        """Whether more than the limit is taken."""
        return self.mark < 100


def meter(*, settled: int, reserved: int, limit: int) -> Meter:
    """Lay a meter out; amounts in one unit."""
    whole = max(limit, settled + reserved, 1)
    return Meter(
        settled=round(settled * 100 / whole, 2),
        reserved=round(reserved * 100 / whole, 2),
        mark=round(limit * 100 / whole, 2),
        percent=settled * 100 // max(limit, 1),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Where a step lies in its run, in percent of the run's length."""

    offset: float
    width: float


def span(*, began: datetime, ended: datetime | None, start: datetime, end: datetime) -> Span:
    """Place a step on its run's time line; what lies outside is drawn at the edge.

    Args:
        began: of the step.
        ended: of the step; without an end it lasts until the run's.
        start: of the run.
        end: of the run.
    """
    whole = max((end - start) / timedelta(microseconds=1), 1.0)
    left = min(max((began - start) / timedelta(microseconds=1) / whole, 0.0), 1.0)
    right = min(max(((ended or end) - start) / timedelta(microseconds=1) / whole, left), 1.0)
    width = max((right - left) * 100, 0.4)
    return Span(round(min(left * 100, 100 - width), 2), round(width, 2))
