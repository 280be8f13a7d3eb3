"""The database that the tests run on is the one that production would use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.engines import current_database_url, is_sqlite, subprocess_environment

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.postgres_smoke
@pytest.mark.django_db
def test_test_database_keeps_the_options_of_production() -> None:
    with connection.cursor() as cursor:
        if is_sqlite():
            assert Path(str(connection.settings_dict["NAME"])).is_file()
            found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous",
                     "foreign_keys", "busy_timeout", "mmap_size")}  # fmt: skip
            assert found == {
                "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 20_000, "mmap_size": 0,
            }  # fmt: skip
        else:
            cursor.execute("SELECT current_setting('fsync'), current_setting('lock_timeout')")
            assert cursor.fetchone() == ("on", "10s")


@pytest.mark.postgres_smoke
@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_test_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen_by_all (id integer)")
        try:
            program = (
                "import django; django.setup(); from django.db import connection; "
                "print('seen_by_all' in connection.introspection.table_names())"
            )
            done = subprocess.run(
                [sys.executable, "-c", program], cwd=ROOT, env=subprocess_environment(), capture_output=True, text=True,
                check=True,
            )  # fmt: skip
            assert done.stdout.strip() == "True"
        finally:
            cursor.execute("DROP TABLE seen_by_all")
    assert current_database_url().startswith(("sqlite:", "postgresql:"))
