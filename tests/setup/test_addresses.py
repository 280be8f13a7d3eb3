"""Addresses of databases and brokers, and back."""

from __future__ import annotations

import pytest

from controlplane.addresses import Timeouts, celery_url, database_address, database_settings


def test_sqlite_address_gives_queueing_transactions() -> None:
    found = database_settings("sqlite:////srv/cp.sqlite3")
    assert found["NAME"] == "/srv/cp.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["OPTIONS"]["timeout"] == 20


def test_postgres_address_is_taken_apart() -> None:
    found = database_settings("postgresql://us%40er:p%2Fw@db.example:5433/cp?sslmode=require", Timeouts(7, 0))
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == (
        "us@er", "p/w", "db.example", "5433", "cp",
    )  # fmt: skip
    assert found["OPTIONS"]["sslmode"] == "require"
    assert "statement_timeout=7s" in found["OPTIONS"]["options"]
    assert "lock_timeout=0s" in found["OPTIONS"]["options"]
    assert "-c jit=off" in found["OPTIONS"]["options"]


@pytest.mark.parametrize(("said", "meant"), [("", 2), ("?prepare_threshold=1", 1), ("?prepare_threshold=none", None)])
def test_a_pooler_can_do_without_prepared_statements(said: str, meant: int | None) -> None:
    assert database_settings(f"postgresql://app@db.example/cp{said}")["OPTIONS"]["prepare_threshold"] == meant


@pytest.mark.parametrize("said", ["None", "-1", "0", "12345", "²", "1.5"])
def test_other_words_for_prepared_statements_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match="prepare_threshold must be a number from 1 on, or none"):
        database_settings(f"postgresql://app@db.example/cp?prepare_threshold={said}")


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:////srv/cp.sqlite3",
        "postgresql://us%40er:p%2Fw@/cp?host=db.example&port=5433",
        "postgresql://postgres@/cp?host=%2Frun%2Fpostgres",
    ],
)
def test_database_address_is_the_inverse(address: str) -> None:
    assert database_address(database_settings(address)) == address


@pytest.mark.parametrize("address", ["sqlite://relative", "sqlite:///", "postgresql:///", "oracle://db/cp", ""])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|begin"):
        database_settings(address)


def test_celery_url_renames_sockets_only() -> None:
    assert celery_url("unix:///run/valkey.sock") == "redis+socket:///run/valkey.sock"
    assert celery_url("rediss://broker/1") == "rediss://broker/1"
