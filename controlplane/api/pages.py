"""Pages of lists: a cursor holds the place after the last row, so rows that come or go shift nothing.

The place is the pair (ordering column, primary key), which is unique whatever the column holds.
DRF's own cursor counts rows of equal value and gives up after a thousand; hence this one.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from audit.refusals import Problem
from controlplane.api.problems import BadQuery
from runs.redaction import storable

PAGE_SIZE = 50
LARGEST_PAGE = 200
# Of a column of either database.
_LARGEST = 2**63 - 1
PARAMETERS = frozenset({"cursor", "ordering", "page_size"})


class CursorPages(BasePagination):
    """Answers ``{next, results}``; `next` is the path of the following page, or null on the last one.

    A path and no whole address: the server cannot know by which name and scheme a client got here.

    The view names the columns that it may be ordered by in ``orderings``, the usual one first.
    They must not be null: rows without a place could not be paged.
    """

    following: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page that the request names.

        Raises:
            BadQuery: unknown ordering, page size out of range, a cursor that is none of ours.
        """
        size = _read_size(request.query_params.get("page_size"))
        ordering = _read_ordering(request.query_params.get("ordering"), view.orderings)
        column, descending = ordering.removeprefix("-"), ordering.startswith("-")
        if cursor := request.query_params.get("cursor"):
            place = _read_cursor(cursor, ordering, queryset.model)
            queryset = queryset.filter(_after(place, column, descending=descending))
        order = [ordering] if column == "pk" else [ordering, "-pk" if descending else "pk"]
        rows = list(queryset.order_by(*order)[: size + 1])
        if len(rows) > size:
            rows.pop()
            token = _write_cursor(ordering, getattr(rows[-1], column), rows[-1].pk)
            self.following = replace_query_param(request.get_full_path(), "cursor", token)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """Wrap the rows."""
        return Response({"next": self.following, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the wrapping."""
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {
                    "type": "string",
                    "format": "uri-reference",
                    "nullable": True,
                    "description": "path and query of the following page; null on the last one",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters."""
        either = [text for name in view.orderings for text in (name, _opposite(name))]
        return [
            _parameter("cursor", {"type": "string"}, "Place of the page, from `next`."),
            _parameter(
                "page_size",
                {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
                "Rows per page.",
            ),
            _parameter(
                "ordering",
                {"type": "string", "enum": either, "default": view.orderings[0]},
                "Column to order by; `-` for the largest first.",
            ),
        ]


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _opposite(ordering: str) -> str:
    return ordering[1:] if ordering.startswith("-") else f"-{ordering}"


def _bad(name: str, code: str, detail: str) -> BadQuery:
    return BadQuery(detail, errors=[Problem(f"/{name}", code, detail)])


def _read_size(text: str | None) -> int:
    if text is None:
        return PAGE_SIZE
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= size <= LARGEST_PAGE:
        raise _bad("page_size", "out_of_range", f"A page has 1 to {LARGEST_PAGE} rows.")
    return size


def _read_ordering(text: str | None, allowed: Sequence[str]) -> str:
    if text is None:
        return allowed[0]
    if text not in {*allowed, *map(_opposite, allowed)}:
        names = ", ".join(name.removeprefix("-") for name in allowed)
        raise _bad("ordering", "unknown_ordering", f"Order by one of: {names}; - for the largest first.")
    return text


def _after(place: tuple[Any, Any], column: str, *, descending: bool) -> models.Q:
    value, key = place
    beyond = "lt" if descending else "gt"
    if column == "pk":
        return models.Q(**{f"pk__{beyond}": key})
    tied = models.Q(**{column: value, f"pk__{beyond}": key})
    return models.Q(**{f"{column}__{beyond}": value}) | tied


def _write_cursor(ordering: str, value: Any, key: Any) -> str:
    shown = value.isoformat() if isinstance(value, datetime) else value
    text = json.dumps([ordering, shown, key], default=str, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(token: str, ordering: str, model: type[models.Model]) -> tuple[Any, Any]:
    """Return the place that a cursor holds, as values of the model's own fields."""
    try:
        padded = token + "=" * (-len(token) % 4)
        of, value, key = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        if of != ordering:
            raise _bad("cursor", "other_ordering", "The cursor belongs to another ordering.")
        if not (_is_plain(value) and _is_plain(key)):
            raise ValueError("neither text nor a whole number")
        at, row = _field(model, ordering).to_python(value), _field(model, "pk").to_python(key)
        if isinstance(at, datetime):
            if at.tzinfo is None:
                raise ValueError("a time without its offset")
            at = at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, RecursionError, FieldDoesNotExist, ValidationError) as error:
        raise _bad("cursor", "unknown_cursor", "Send a cursor as `next` gave it.") from error
    return at, row


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return storable(value) == value
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _field(model: type[models.Model], ordering: str) -> Any:
    name = ordering.removeprefix("-")
    return model._meta.pk if name == "pk" else model._meta.get_field(name)
