"""The permission table. Each area has a module; a route stands in exactly one row."""

from __future__ import annotations

from tests.matrix.rows import Row
from tests.matrix.table import accounts, api, console, other

ROWS: tuple[Row, ...] = (*accounts.ROWS, *api.ROWS, *console.ROWS, *other.ROWS)
TABLE: dict[str, Row] = {row.path: row for row in ROWS}
