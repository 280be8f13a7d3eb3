"""What a refused request must leave behind: nothing. And how many refusals were tried."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection

from tests.controlplane.api.callers import problem

# When a key was last used is noted to the minute beside every call, and a session holds its own expiry.
_NOTED_BESIDE = {
    "registry_agentkey": {"last_used_at"}, "registry_agent": {"last_seen_at"}, "registry_user": {"last_login"},
}  # fmt: skip
_IGNORED = frozenset({"django_session"})
# How many refusals each family of cases saw; printed at the end of the module that counts them.
TRIED: Counter[str] = Counter()


def _tables() -> list[Any]:
    return [
        model._meta
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in _IGNORED
    ]


def counts() -> dict[str, int]:
    """Return how many rows every table holds."""
    parts = (f"SELECT '{table.db_table}', count(*) FROM \"{table.db_table}\"" for table in _tables())
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())


def contents() -> dict[str, str]:
    """Return a digest of what every table holds."""
    found = {}
    with connection.cursor() as cursor:
        for table in _tables():
            beside = _NOTED_BESIDE.get(table.db_table, set())
            names = ", ".join(f'"{each.column}"' for each in table.concrete_fields if each.column not in beside)
            cursor.execute(f'SELECT {names} FROM "{table.db_table}"')
            rows = sorted(repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in cursor)
            found[table.db_table] = hashlib.sha256("\n".join(rows).encode("utf-8", "backslashreplace")).hexdigest()
    return found


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fail where what happens inside left anything in any table."""
    before = contents()
    yield
    after = contents()
    assert [name for name in before if before[name] != after[name]] == []


def refused(answer: Any, status: int, code: str | None = None, *, family: str) -> dict[str, Any]:
    """Return the problem document of a refusal; fail unless it is a whole one.

    Args:
        answer: of the server.
        status: what it must be.
        code: the machine word, where one is promised.
        family: what kind of case it is counted under.
    """
    TRIED[family] += 1
    found = problem(answer, status, code)
    if status == 401:
        assert answer["WWW-Authenticate"]
    if status in {429, 503}:
        assert int(answer["Retry-After"]) >= 1
    return found


def pointers(found: dict[str, Any]) -> list[str]:
    """Return the pointers of a problem document."""
    return [each["pointer"] for each in found["errors"]]
