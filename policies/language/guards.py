"""Reading how much rules admit: limits and split guards."""

from __future__ import annotations

from typing import Final

from policies.language.shapes import DISTINCT, LIMIT_BY, SUMS, Limit, Split
from registry.amounts import AmountInvalid, parse_money
from registry.documents import Section

# Below what money in another currency takes (`policies.demands`): no maximum admits that.
MOST_NANO: Final = 9_223_372_036 * 10**9


def read_limit(section: Section) -> Limit | None:
    """Read the keys of a ``limit``; None where they have a defect."""
    units = section.integer("units", required=True)
    seconds = section.duration("per", required=True)
    by = section.choice("by", LIMIT_BY)
    return None if units is None or seconds is None else Limit(units, seconds, by)


def read_split(section: Section) -> Split | None:
    """Read the keys of a ``split``; None where they have a defect."""
    distinct, total = section.choice("distinct", DISTINCT), section.choice("sum", SUMS)
    seconds = section.duration("per", required=True)
    by = section.choice("by", LIMIT_BY) or "agent"
    if section.has("distinct") == section.has("sum"):
        section.take("max")
        section.add("distinct", "missing", "A split has one of “distinct: destination”, “sum: units”, “sum: amount”.")
        return None
    if distinct is not None and by == distinct:
        section.add("by", "not_here", "By destination there is only ever one distinct destination.")
    counts = distinct or total
    if counts is None:
        section.take("max", required=True)
        return None
    maximum, currency = _money(section) if counts == "amount" else (section.integer("max", required=True), "")
    return None if maximum is None or seconds is None else Split(counts, maximum, seconds, by, currency)


def _money(section: Section) -> tuple[int | None, str]:
    """Return a sum's most money, in billionths of its currency."""
    raw = section.take("max", required=True)
    if not section.has("max"):
        return None, ""
    try:
        money = parse_money(raw)
    except AmountInvalid as error:
        section.problems.add(section.at("max") + error.pointer, "invalid_amount", error.detail)
        return None, ""
    nano = int(money.value.scaleb(9))
    if not 0 < nano <= MOST_NANO:
        section.problems.add(section.at("max") + "/value", "out_of_range", "Sums go from above 0 to 9,223,372,036.")
        return None, ""
    return nano, money.currency
