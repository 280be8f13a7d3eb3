"""Counting without counting everything: several questions in one statement, each up to a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet


def count_up_to(rows: Sequence[QuerySet[Any]], most: int) -> list[int]:
    """Count each queryset's rows, and stop at a bound.

    One statement whatever is asked: a page has one budget of queries, and `COUNT(*)` over a large table is what
    makes lists slow. The inner statements are Django's own, each with a LIMIT.

    Args:
        rows: what to count, all of one database.
        most: where to stop; a count of `most` means "at least".
    """
    found = [0] * len(rows)
    asked: list[tuple[int, str, tuple[Any, ...]]] = []
    for place, each in enumerate(rows):
        bounded = each.order_by().select_related(None).values("pk")[:most]
        try:
            sql, values = bounded.query.sql_with_params()
        except EmptyResultSet:
            continue
        asked.append((place, sql, values))
    if not asked:
        return found
    # Django's own statements, with their values apart from them.
    parts = ", ".join(f"(SELECT COUNT(*) FROM ({sql}) counted_{place})" for place, sql, _ in asked)  # noqa: S608
    with connections[rows[0].db].cursor() as cursor:
        cursor.execute(f"SELECT {parts}", [value for _, _, values in asked for value in values])
        row = cursor.fetchone()
    for (place, _, _), number in zip(asked, row, strict=True):
        found[place] = number
    return found


def written(number: int, most: int) -> str:
    """Write a bounded count: ``999+`` at the bound."""
    return f"{number:,}" if number < most else f"{most - 1:,}+"
