"""Filters of lists: what is not known is refused, never ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import django_filters as df
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request

from audit.canonical import escape_pointer
from audit.ids import floor_id
from audit.models import LONGEST_WRITE
from audit.refusals import Problem
from controlplane.api.pages import PARAMETERS
from controlplane.api.problems import BadQuery

_FIRST_ID = datetime(1970, 1, 2, tzinfo=UTC)
_LONGEST_NAME = 64


class MomentField(forms.Field):
    """An aware time, ISO 8601. A naive one is refused: nobody could say when it was."""

    def to_python(self, value: Any) -> datetime | None:
        """Read one time, as UTC.

        Raises:
            ValidationError: not ISO 8601, or without its offset from UTC.
        """
        if not value:
            return None
        try:
            found = datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("Send an ISO 8601 time with its offset from UTC.")


def earlier(moment: datetime, by: timedelta) -> datetime:
    """Return the moment that lies so much earlier, in UTC; the first of all where there is none."""
    first = datetime.min.replace(tzinfo=UTC)
    # From there on: at the ends of the calendar other zones have no local time for it.
    return first + max(moment - first - by, timedelta())


class Since(df.IsoDateTimeFilter):
    """Keep what happened at or after a moment.

    Args:
        field_name: the column.
        by_id: ids rise with time (UUIDv7): bound the scan by them, where the column has no index.
    """

    field_class = MomentField

    def __init__(self, field_name: str = "at", *, by_id: bool = False) -> None:
        self.by_id = by_id
        super().__init__(field_name=field_name, lookup_expr="gte", label=f"`{field_name}` at or after this time")

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Apply."""
        found: QuerySet[Any] = super().filter(qs, value)
        if value and self.by_id and value > _FIRST_ID:
            # An id is made a little before the clock is read for its row.
            found = found.filter(pk__gte=floor_id(value - LONGEST_WRITE))
        return found


class Until(df.IsoDateTimeFilter):
    """Keep what happened before a moment.

    Args:
        field_name: the column.
    """

    field_class = MomentField

    def __init__(self, field_name: str = "at") -> None:
        super().__init__(field_name=field_name, lookup_expr="lt", label=f"`{field_name}` before this time")


class Word(df.CharFilter):
    """An exact text.

    Args:
        field_name: the column, or a path to it.
        label: what the schema says of it.
    """

    def __init__(self, field_name: str, label: str = "") -> None:
        super().__init__(field_name=field_name, label=label or "exact", strip=False, max_length=255)


class Id(df.UUIDFilter):
    """An exact UUID.

    Args:
        field_name: the column.
    """

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name=field_name, label="exact")


class Choice(df.ChoiceFilter):
    """One of a column's words.

    Args:
        field_name: the column.
        choices: its `TextChoices`.
    """

    def __init__(self, field_name: str, choices: Any) -> None:
        super().__init__(field_name=field_name, choices=choices.choices, label="exact", empty_label=None)


@extend_schema_field(bool)
class Truth(df.TypedChoiceFilter):
    """``true`` or ``false``; django-filter's own takes anything else for "not asked".

    Args:
        field_name: the column.
        lookup: how it is compared.
    """

    def __init__(self, field_name: str, lookup: str = "exact") -> None:
        choices = (("true", "true"), ("false", "false"))
        super().__init__(
            field_name=field_name,
            lookup_expr=lookup,
            choices=choices,
            coerce=lambda text: text == "true",
            label="",
        )


class StrictFilters(DjangoFilterBackend):
    """Applies the view's ``filterset_class``."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Return the rows that pass.

        Raises:
            BadQuery: a parameter that is unknown, empty, stands twice, or holds what its filter does not admit.
        """
        filterset = self.get_filterset(request, queryset, view)
        known = PARAMETERS | set(filterset.base_filters)
        problems = [*_unknown(request, known), *_unclear(request, known)]
        if not problems and not filterset.is_valid():
            problems = [
                Problem(f"/{name}", "invalid", str(text)) for name, texts in filterset.errors.items() for text in texts
            ]
        if problems:
            raise BadQuery(problems[0].detail, errors=problems)
        found: QuerySet[Any] = filterset.qs
        return found


def refuse_parameters(request: Request, *known: str) -> None:
    """Refuse every query parameter but the named ones.

    Raises:
        BadQuery: there is another.
    """
    problems = _unknown(request, frozenset(known))
    if problems:
        raise BadQuery(problems[0].detail, errors=problems)


def _unknown(request: Request, known: frozenset[str]) -> list[Problem]:
    return [
        Problem(f"/{escape_pointer(name[:_LONGEST_NAME])}", "unknown_parameter", "There is no such parameter.")
        for name in request.query_params
        if name not in known
    ]


def _unclear(request: Request, known: frozenset[str]) -> list[Problem]:
    problems = []
    for name, values in request.query_params.lists():
        if name not in known:
            continue
        if len(values) > 1:
            problems.append(Problem(f"/{name}", "repeated_parameter", "Send each parameter once."))
        elif not values[0]:
            problems.append(Problem(f"/{name}", "empty_parameter", "Leave out what you do not ask for."))
    return problems
