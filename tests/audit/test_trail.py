"""The trail: sealed in order, unchangeable, and honest about what was done to it."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import chain, sql, triggers
from audit.actors import System
from audit.chain import Verdict
from audit.models import Entry, Seal
from audit.operations import record, seal, verify

BY = System("test")


def _write(count: int, kind: str = "test.done") -> None:
    for index in range(count):
        record(kind=kind, object_type="thing", object_id=str(index), by=BY, now=sql.now(), details={"n": index})


def _seal_all() -> None:
    while seal(now=sql.now(), limit=7):
        pass


@pytest.mark.django_db
def test_seal_gives_a_gapless_order_and_an_intact_chain() -> None:
    _write(20)
    _seal_all()
    assert list(Seal.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 21))
    finding = chain.check(chain.stored_links(chunk=3))
    assert (finding.verdict, finding.seq) == (Verdict.INTACT, 20)


@pytest.mark.django_db
def test_seal_finds_an_entry_that_committed_late() -> None:
    _write(3)
    _seal_all()
    record(kind="test.late", object_type="thing", object_id="x", by=BY, now=sql.now() - timedelta(minutes=5))
    assert seal(now=sql.now()) == 1
    assert chain.check(chain.stored_links()).verdict is Verdict.INTACT


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = 'x'", "DELETE FROM {0}"])
@pytest.mark.parametrize(("table", "column"), [("audit_entry", "kind"), ("audit_seal", "hash")])
def test_triggers_refuse_changes(statement: str, table: str, column: str) -> None:
    _write(1)
    _seal_all()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column))


@pytest.mark.django_db
def test_migrate_reinstalls_the_triggers_that_a_table_rebuild_dropped() -> None:
    triggers.remove()
    assert triggers.missing()
    call_command("migrate", verbosity=0)
    assert triggers.missing() == []


def _tamper(statement: str) -> None:
    triggers.remove()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    triggers.install()


@pytest.mark.django_db
def test_verify_names_a_row_that_was_changed_by_hand() -> None:
    _write(9)
    _seal_all()
    victim = Seal.objects.get(seq=5).entry_id
    _tamper(f"UPDATE audit_entry SET outcome = 'allow' WHERE id = '{victim.hex}'")
    finding = verify(by=BY, now=sql.now())
    assert (finding.verdict, finding.seq) == (Verdict.TAMPERED, 5)
    assert str(victim) in finding.detail


@pytest.mark.django_db
def test_verify_names_a_removed_entry_and_a_removed_seal() -> None:
    _write(9)
    _seal_all()
    victim = Seal.objects.get(seq=4).entry_id
    _tamper(f"DELETE FROM audit_entry WHERE id = '{victim.hex}'")
    assert chain.check(chain.stored_links()).verdict is Verdict.TAMPERED
    _tamper("DELETE FROM audit_seal WHERE seq = 3")
    finding = chain.check(chain.stored_links())
    assert (finding.verdict, finding.seq) == (Verdict.GAP, 3)


@pytest.mark.django_db
def test_audit_verify_command_checks_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(5)
    _seal_all()
    path = tmp_path / "trail.jsonl"
    call_command("audit_export", str(path))
    lines = path.read_text().splitlines()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="not overwritten"):
        call_command("audit_export", str(path))
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("audit_export", str(tmp_path / "nowhere" / "trail.jsonl"))
    assert path.read_text().splitlines() == lines
    cases = {
        "intact": (lines, 0),
        "tampered": ([line.replace("test.done", "test.gone") for line in lines], 1),
        "gap": (lines[:2] + lines[3:], 2),
        "unreadable": ([*lines, "{"], 3),
    }
    for word, (content, code) in cases.items():
        path.write_text("\n".join(content))
        with pytest.raises(SystemExit) as caught:
            call_command("audit_verify", file=path)
        assert caught.value.code == code
        assert word in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_two_sealers_at_once_leave_one_gapless_chain() -> None:
    _write(200)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while seal(now=sql.now(), limit=9):
                pass
        except BaseException as error:  # noqa: BLE001 - handed to the asserting thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Seal.objects.count() == Entry.objects.count() == 200
    assert chain.check(chain.stored_links()).verdict is Verdict.INTACT
