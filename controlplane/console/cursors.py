"""Keyset paging: a page begins after, or ends before, a row that the address names by its sort values.

Rows that arrive or leave meanwhile move nothing, and no page is slower than the first: there is no OFFSET.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models import F, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import OrderBy

_LONGEST: Final = 4_000
_LARGEST: Final = 2**63


class BadCursor(Exception):
    """The address names no place in this order."""


@dataclass(frozen=True, slots=True)
class Key:
    """One column of the order.

    Attributes:
        path: lookup path of the column.
        descending: from the largest on.
        nullable: whether it can be empty; empty values come last.
        field: the model field, None for an annotation.
    """

    path: str
    descending: bool
    nullable: bool
    field: models.Field[Any, Any] | None

    def ordering(self, *, backwards: bool) -> OrderBy:
        """Return the expression to order by."""
        descending = self.descending != backwards
        nulls = {("nulls_first" if backwards else "nulls_last"): True} if self.nullable else {}
        column = F(self.path)
        return column.desc(**nulls) if descending else column.asc(**nulls)

    def beyond(self, value: Any, *, backwards: bool) -> Q | None:
        """Return the condition for rows strictly further on, None where there are none."""
        if value is None:
            return Q(**{f"{self.path}__isnull": False}) if backwards else None
        lookup = "lt" if self.descending != backwards else "gt"
        found = Q(**{f"{self.path}__{lookup}": value})
        if self.nullable and not backwards:
            found |= Q(**{f"{self.path}__isnull": True})
        return found

    def same(self, value: Any) -> Q:
        """Return the condition for rows with this value."""
        return Q(**{f"{self.path}__isnull": True}) if value is None else Q(**{self.path: value})

    def read(self, row: Model) -> Any:
        """Return the row's value; joined rows are expected to be loaded."""
        found: Any = row
        for part in self.path.split(LOOKUP_SEP):
            found = getattr(found, part, None)
        return found

    def parse(self, value: Any) -> Any:
        """Turn what an address holds into the column's type.

        Raises:
            BadCursor: it is none of this column.
        """
        if value is None:
            if not self.nullable:
                raise BadCursor
            return None
        if not isinstance(value, str | int) or isinstance(value, bool) is not isinstance(
            self.field, models.BooleanField
        ):
            raise BadCursor
        try:
            parsed = self.field.to_python(value) if self.field is not None else value
            if isinstance(parsed, datetime):
                parsed = parsed.astimezone(UTC)
        except (ValidationError, ValueError, OverflowError) as error:
            raise BadCursor from error
        if (isinstance(parsed, int) and abs(parsed) >= _LARGEST) or (isinstance(parsed, str) and "\0" in parsed):
            raise BadCursor
        return parsed


def keys_of(rows: QuerySet[Any], ordering: Sequence[Any]) -> list[Key]:
    """Return the columns of an order, foreign keys spelt out, down to a unique one.

    Args:
        rows: what is ordered.
        ordering: as ``order_by`` takes it: names, or expressions over a single column.
    """
    keys: list[Key] = []
    for part in ordering:
        if isinstance(part, OrderBy):
            path, descending = str(part.expression.name), part.descending  # type: ignore[union-attr]  # asked for
        else:
            path, descending = str(part).lstrip("-"), str(part).startswith("-")
        keys += _spell_out(rows, path, descending)
    return keys


def _spell_out(rows: QuerySet[Any], path: str, descending: bool) -> list[Key]:
    if path == "pk":
        path = rows.model._meta.pk.name
    if path in rows.query.annotations:
        return [Key(path, descending, True, None)]
    try:
        fields = get_fields_from_path(rows.model, path)
    except FieldDoesNotExist:
        return [Key(path, descending, True, None)]
    last = fields[-1]
    if last.remote_field is not None:
        theirs = last.remote_field.model._meta.ordering
        if not theirs:
            column = LOOKUP_SEP.join([*path.split(LOOKUP_SEP)[:-1], last.attname])
            return [Key(column, descending, any(field.null for field in fields), last.target_field)]  # type: ignore[attr-defined]  # a relation has one
        return [
            key
            for part in theirs
            for key in _spell_out(
                rows, f"{path}{LOOKUP_SEP}{str(part).lstrip('-')}", descending != str(part).startswith("-")
            )
        ]
    return [Key(path, descending, any(field.null for field in fields), last)]


def token(row: Model, keys: Sequence[Key]) -> str:
    """Name a row's place in an order."""
    values = [_plain(key.read(row)) for key in keys]
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def values_of(text: str, keys: Sequence[Key]) -> list[Any]:
    """Read a token.

    Raises:
        BadCursor: it names no place in this order.
    """
    if len(text) > _LONGEST:
        raise BadCursor
    try:
        values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadCursor from error
    if not isinstance(values, list) or len(values) != len(keys):
        raise BadCursor
    return [key.parse(value) for key, value in zip(keys, values, strict=True)]


def beyond(keys: Sequence[Key], values: Sequence[Any], *, backwards: bool) -> Q:
    """Return the condition for rows after a place, or before it where `backwards`."""
    found = Q(pk__in=[])
    for place, key in enumerate(keys):
        further = key.beyond(values[place], backwards=backwards)
        if further is None:
            continue
        for before, value in zip(keys[:place], values, strict=False):
            further &= before.same(value)
        found |= further
    first, value = keys[0], values[0]
    if not first.nullable and len(keys) > 1:
        # Says nothing new, but lets the engine begin in the middle of the index.
        lookup = "lte" if first.descending != backwards else "gte"
        found &= Q(**{f"{first.path}__{lookup}": value})
    return found
