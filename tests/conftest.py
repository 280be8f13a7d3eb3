"""What every test gets: a database of the chosen engine, and property tests that fit the tier.

The engine is chosen by ``DATABASE_URL``; without it the tests run on an SQLite file with production's options.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from django.db import connections
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from audit import triggers

# The same cases in each run of the same code, so that what is red is red for everybody; `explore` draws new ones.
settings.register_profile(
    "default", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", settings.get_profile("default"), max_examples=1_000)
settings.register_profile("explore", settings.get_profile("long"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest: a worker that meets one at the end works on it while the others have nothing to do."""

    def minutes(item: pytest.Item) -> int:
        return max((mark.kwargs.get("minutes", 0) for mark in item.iter_markers("long")), default=0)

    items.sort(key=minutes, reverse=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Give each worker its own test database: on SQLite a real file, which is where its locks are real."""
    live = connections["default"].settings_dict
    # A live server answers each request in a thread of its own, and nobody would close what that thread left open.
    live["CONN_MAX_AGE"] = 0
    if live["ENGINE"].endswith("sqlite3"):
        live["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


def _empty_with_the_trail_unlocked(
    case: TransactionTestCase, empty: Callable[[TransactionTestCase], None] = TransactionTestCase._fixture_teardown
) -> None:
    triggers.remove()
    try:
        empty(case)
    finally:
        triggers.install()


# A test with real transactions leaves rows behind, and Django empties every table after it. The trail's triggers
# refuse that, as they should; only here they step aside.
TransactionTestCase._fixture_teardown = _empty_with_the_trail_unlocked
