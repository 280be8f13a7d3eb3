"""Template tags of the console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import items_for_result, result_headers
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from controlplane.console import charts, diffs, formats, states, text
from controlplane.console.clocks import present_zone

register = template.Library()


@register.simple_tag(name="state")
def draw_state(value: Any, kind: str) -> SafeString:
    """Draw a state as shape and word: ``{% state value kind %}``."""
    return draw_mark(states.mark(kind, str(value)))


def draw_mark(mark: states.Mark) -> SafeString:
    """Draw a mark."""
    fill = "currentColor" if mark.filled else "none"
    return format_html(
        '<span class="cp-state cp-{}"><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
        '<path d="{}" fill="{}"/></svg>{}</span>',
        mark.tone, mark.path, fill, mark.word,
    )  # fmt: skip


@register.simple_tag(name="when")
def draw_time(moment: datetime | None) -> SafeString | str:
    """Write a moment, relative to now, with the exact time by the reader's clock as its title."""
    if moment is None:
        return "–"
    zone = present_zone()
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(), formats.absolute(moment, zone), formats.relative(moment, now=timezone.now(), zone=zone),
    )  # fmt: skip


@register.simple_tag(name="deadline")
def draw_deadline(moment: datetime) -> SafeString:
    """Write a deadline both ways; the script counts its last minutes."""
    zone = present_zone()
    return format_html(
        '<time datetime="{}" title="{}" data-deadline>{}</time>',
        moment.isoformat(), formats.absolute(moment, zone), formats.deadline(moment, now=timezone.now(), zone=zone),
    )  # fmt: skip


@register.filter(name="exactly")
def write_exactly(moment: datetime | None) -> str:
    """Write a moment with seconds, by the reader's clock."""
    return formats.absolute(moment, present_zone()) if moment else "–"


@register.filter(name="in_utc")
def write_in_utc(moment: datetime | None) -> str:
    """Write a moment with seconds in UTC, as the trail keeps it."""
    return formats.absolute(moment) if moment else "–"


@register.simple_tag(name="money")
def draw_money(nanousd: int | None, unpriced: int = 0) -> SafeString:
    """Write nano-USD; the exact amount is the title."""
    exact = "no known price" if nanousd is None else f"{nanousd} nano-USD"
    return format_html('<span class="cp-number" title="{}">{}</span>', exact, formats.money(nanousd, unpriced=unpriced))


@register.filter(name="count")
def write_count(number: int) -> str:
    """Write a count."""
    return formats.count(number)


@register.filter(name="span")
def write_span(span: timedelta | None) -> str:
    """Write a duration."""
    return formats.duration(span)


@register.filter(name="shortid")
def write_short_id(value: Any) -> str:
    """Write the last 8 characters of an id."""
    return formats.short_id(str(value))


@register.filter(name="visible")
def make_visible(value: Any) -> SafeString:
    """Escape text and box its invisible characters."""
    return format_html_join("", "{}", ((_segment(segment),) for segment in text.segments(str(value))))


@register.filter(name="listed")
def make_list_visible(values: Iterable[Any]) -> SafeString:
    """Write foreign texts one after the other, escaped, hidden characters boxed; nothing where there are none."""
    return format_html_join(", ", "{}", ((make_visible(value),) for value in values))


def _segment(segment: text.Segment) -> SafeString | str:
    if not segment.hidden:
        return segment.text
    # The box stands in the text's place and is read aloud by its name.
    return format_html('<span class="cp-hidden" title="{}"><bdi>{}</bdi></span>', segment.hidden.lower(), segment.text)


@register.filter(name="visible_or_markup")
def make_visible_unless_markup(value: Any) -> SafeString:
    """Leave what a tag drew as it is; treat everything else as foreign text."""
    return value if isinstance(value, SafeString) else make_visible(value)


_TAG = re.compile(r"(<[^>]*>)")


def _reveal(cell: SafeString) -> SafeString:
    """Box the invisible characters of a drawn cell: the admin escapes a field's text, and leaves them in."""
    if cell.isascii() and cell.isprintable():
        return cell
    parts = (part if part.startswith("<") else _boxed(part) for part in _TAG.split(cell))
    return mark_safe("".join(parts))  # noqa: S308  # escaped already; only boxes are added


def _boxed(escaped: str) -> str:
    return "".join(_segment(found) if found.hidden else found.text for found in text.segments(escaped))


@register.filter(name="prettyjson")
def write_pretty(value: Any) -> SafeString:
    """Lay a JSON value out in lines, escaped, hidden characters boxed."""
    return make_visible(text.pretty(value))


@register.filter(name="details")
def write_details(raw: str) -> SafeString:
    """Lay the JSON text of a trail entry out in lines."""
    return make_visible(text.pretty(json.loads(raw)))


@register.inclusion_tag("console/diff.html", name="diff")
def draw_diff(lines: Iterable[diffs.Line]) -> dict[str, Any]:
    """Draw the lines of a diff."""
    return {"lines": lines}


@register.inclusion_tag("console/results.html", name="results")
def draw_results(cl: Any) -> dict[str, Any]:
    """Draw the rows of a list: each is one line on a desk and a small card on a phone."""
    headers = [header for header in result_headers(cl) if not str(header.get("class_attrib", "")).count("action-")]
    rows = [
        [(header, _reveal(cell)) for header, cell in zip(headers, items_for_result(cl, row, None), strict=True)]
        for row in cl.result_list
    ]
    return {"cl": cl, "headers": headers, "rows": rows}


@register.inclusion_tag("console/meter.html", name="meter")
def draw_meter(settled: int, reserved: int, limit: int) -> dict[str, Any]:
    """Draw spend against a budget: settled solid, reserved hatched, overrun past the end mark."""
    return {"meter": charts.meter(settled=settled, reserved=reserved, limit=limit)}


@register.inclusion_tag("console/bars.html", name="bars")
def draw_bars(chart: charts.Bars) -> dict[str, Any]:
    """Draw bars with links and a table beside them."""
    return {"chart": chart}


@register.inclusion_tag("console/share.html", name="share")
def draw_share(chart: charts.Share) -> dict[str, Any]:
    """Draw how a whole is divided, each part linked to its rows."""
    return {"chart": chart}
