"""Backup while people write, restore elsewhere: whole, equal, with nothing open that was open then."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from approvals.models import Grant
from audit import sql
from audit.models import Entry
from controlplane.operating.backup import BackupError, Manifest, opened
from policies.models import Decision
from registry.operations import send_command
from tests.approvals.steps import FORM, ask, hold_mail, say
from tests.engines import is_sqlite
from tests.journeys.installation import Installation, build
from tests.operating.elsewhere import PHRASE, Elsewhere, elsewhere, here, run
from tests.setup.processes import ROOT, eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _recorded_migrations(transactional_db: None, settings: Settings) -> None:
    """Tables made straight from the models have no records of migrations; a real installation always has."""
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    # Where the tests run without migrations, pytest-django hides them by this setting.
    settings.MIGRATION_MODULES = {}
    for app, name in set(MigrationLoader(None).disk_migrations) - set(recorder.applied_migrations()):
        recorder.record_applied(app, name)


@pytest.fixture
def installation() -> Installation:
    """An installation with an open grant, an open approval, a command and somebody signed in."""
    made = build()
    say(hold_mail(made, "approved"), "talent-reviewer")
    hold_mail(made, "pending")
    send_command(agent=made.agent, kind="start", by=made.admin, now=sql.now())
    Session.objects.create(
        session_key="k" * 32, session_data="", expire_date=timezone.now() + timezone.timedelta(days=1)
    )
    return made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Elsewhere]:
    with elsewhere(tmp_path) as found:
        yield found


@contextmanager
def writers(installation: Installation, number: int = 2) -> Iterator[Callable[[], int]]:
    """Have agents ask without pause while the block runs; yield how many answers were committed."""
    over = threading.Event()
    answers = [0] * number
    problems: list[BaseException] = []

    def write(index: int) -> None:
        try:
            while not over.is_set():
                ask(installation, str(uuid4()), **FORM)
                answers[index] += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            problems.append(error)
        finally:
            connection.close()

    crew = [threading.Thread(target=write, args=(index,)) for index in range(number)]
    for member in crew:
        member.start()
    try:
        yield lambda: sum(answers)
    finally:
        over.set()
        for member in crew:
            member.join()
    assert problems == []


def back_up(target: Path, *options: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run(here(), "backup", str(target), *options, stdin=stdin)


def test_backup_under_load_restored_elsewhere(installation: Installation, place: Elsewhere, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with writers(installation) as answers:
        eventually(lambda: answers() > 5)
        before = answers()
        done = back_up(archive, "--with-secrets", "--passphrase-stdin", stdin=PHRASE)
        assert done.returncode == 0, done.stderr
        assert answers() > before, "nobody wrote while the backup was made"
    assert archive.stat().st_mode & 0o077 == 0
    assert run(here(), "backup", str(archive), "--verify").returncode == 0
    assert Entry.objects.filter(kind="installation.backed_up", actor_id="backup").count() == 1
    with opened(archive) as (manifest, _files):
        counts = manifest.snapshot.counts
    assert 0 < counts["policies_decision"] <= Decision.objects.count()

    restored = place.run("restore", str(archive), "--with-secrets", "--passphrase-stdin", stdin=PHRASE)

    assert restored.returncode == 0, restored.stderr
    assert {line for line in restored.stdout.splitlines() if line.startswith("  ")} == {
        f"  {table}: {count}" for table, count in counts.items() if count
    }
    assert "voided: 1 open grants, 1 commands, 1 sessions" in restored.stdout
    assert "trail: intact" in restored.stdout
    assert "WARNING" not in restored.stdout
    state = json.loads(place.tell("state"))
    assert "issued" not in state["grants"]
    assert state["grants"].count("revoked") == 1
    assert state["approvals"] == ["approved", "pending"]
    assert (state["commands"], state["sessions"]) == (["expired"], 0)
    assert {"installation.restored", "grant.revoked", "command.expired", "audit.verified"} <= set(state["kinds"])
    assert json.loads(place.tell("ask", installation.key)) == "review"
    assert place.run("audit_verify").returncode == 0
    # The first installation is as it was.
    assert Grant.objects.filter(state="issued").count() == 1


def test_restore_without_secrets_says_what_is_lost(
    installation: Installation, place: Elsewhere, tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar.gz"
    said = back_up(archive)
    assert "secrets: not inside" in said.stdout
    restored = place.run("restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.count("WARNING") == 3
    assert "No agent's key will work" in restored.stdout
    assert json.loads(place.tell("ask", installation.key)) == "unknown key"


def test_restore_refuses_what_holds_something_unless_forced(
    installation: Installation, place: Elsewhere, tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar.gz"
    assert back_up(archive).returncode == 0
    assert place.run("restore", str(archive)).returncode == 0

    again = place.run("restore", str(archive))
    assert again.returncode == 1
    assert "holds something" in again.stderr

    forced = place.run("restore", str(archive), "--force")
    assert forced.returncode == 0, forced.stderr
    # What a restore did in between is gone with what it did it to.
    assert json.loads(place.tell("state"))["kinds"].count("installation.restored") == 1
    kept = [path for path in place.home.glob("controlplane.sqlite3.before-restore-*") if not path.name.endswith("-wal")]
    assert len(kept) == (1 if is_sqlite() else 0)


def test_backup_is_never_overwritten(installation: Installation, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    archive.write_text("dear")
    done = back_up(archive)
    assert (done.returncode, archive.read_text()) == (1, "dear")
    assert "is not overwritten" in done.stderr
    assert list(tmp_path.iterdir()) == [archive]


def test_secrets_need_their_passphrase(installation: Installation, place: Elsewhere, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    assert "need a passphrase" in back_up(archive, "--with-secrets").stderr
    assert "at least 12" in back_up(archive, "--with-secrets", "--passphrase-stdin", stdin="short").stderr
    assert not archive.exists()
    assert back_up(archive, "--with-secrets", "--passphrase-stdin", stdin=PHRASE).returncode == 0
    wrong = place.run("restore", str(archive), "--with-secrets", "--passphrase-stdin", stdin="another passphrase")
    assert wrong.returncode == 1
    assert "passphrase is not the one" in wrong.stderr
    assert not (place.home / "controlplane.sqlite3").exists()
    content = gzip.decompress(archive.read_bytes())
    assert next(iter(here()["CONTROLPLANE_KEY_PEPPERS"].split(":")[1:])).encode() not in content


def test_damaged_archives_are_refused(installation: Installation, place: Elsewhere, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    assert back_up(archive).returncode == 0
    whole = archive.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "end cut": whole[:-4],
        "flipped": flipped(whole),
        "empty": b"",
        "other": b"not an archive",
        "database changed": rewritten(whole, "database", lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
        "manifest changed": rewritten(
            whole, "manifest.json", lambda raw: raw.replace(b'"secrets": false', b'"secrets": true')
        ),
        "stranger inside": rewritten(whole, "database", lambda raw: raw, name="../database"),
    }
    for what, content in damaged.items():
        target = tmp_path / "damaged.tar.gz"
        target.write_bytes(content)
        with pytest.raises(BackupError, match="no whole backup"), opened(target):
            pytest.fail(f"{what}: it was taken for a backup")
    assert "no whole backup" in place.run("restore", str(target)).stderr
    assert not (place.home / "controlplane.sqlite3").exists()
    assert "There is no file" in place.run("restore", str(tmp_path / "nowhere")).stderr


def test_backup_of_another_version_or_engine_is_refused(
    installation: Installation, place: Elsewhere, tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar.gz"
    assert back_up(archive).returncode == 0

    def newer(manifest: dict[str, object]) -> None:
        manifest["snapshot"]["migrations"].append("audit.0999_of_tomorrow")  # type: ignore[index]

    def other(manifest: dict[str, object]) -> None:
        manifest["engine"] = "oracle"

    def format_two(manifest: dict[str, object]) -> None:
        manifest["format"] = 2

    for change, words in ((newer, "0999_of_tomorrow"), (other, "backup of oracle"), (format_two, "format 2")):
        changed = tmp_path / f"{change.__name__}.tar.gz"
        changed.write_bytes(with_manifest(archive.read_bytes(), change))
        done = place.run("restore", str(changed))
        assert done.returncode == 1
        assert words in done.stderr, done.stderr
    assert not (place.home / "controlplane.sqlite3").exists()


def test_copying_the_file_alone_would_lose_writes(installation: Installation, tmp_path: Path) -> None:
    """The naive twin: what stands in the write-ahead log is not in the file."""
    if not is_sqlite():
        pytest.skip("SQLite's own trap")
    archive, copy = tmp_path / "backup.tar.gz", tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as reader:
        # Somebody reads: the log cannot be emptied into the file.
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM policies_decision").fetchone()
        for number in range(5):
            ask(installation, f"late {number}", **FORM)
        shutil.copyfile(connection.settings_dict["NAME"], copy)
        assert back_up(archive).returncode == 0
    with closing(sqlite3.connect(copy)) as database:
        naive = database.execute("SELECT COUNT(*) FROM policies_decision").fetchone()[0]
    with opened(archive) as (manifest, _files):
        assert manifest.snapshot.counts["policies_decision"] == Decision.objects.count() > naive


def test_missing_or_old_program_of_postgres_is_named(installation: Installation, tmp_path: Path) -> None:
    if is_sqlite():
        pytest.skip("PostgreSQL's programs")
    bare = {**here(), "PATH": str(tmp_path)}
    assert "pg_dump is not on the path. Install PostgreSQL's client programs" in run(bare, "backup", "x.tar.gz").stderr
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    said = run({**here(), "PATH": f"{tmp_path}:/bin:/usr/bin"}, "backup", str(tmp_path / "x.tar.gz")).stderr
    assert "9.6.24, the server is version" in said
    assert not (tmp_path / "x.tar.gz").exists()


def test_drill_restores_and_verifies(installation: Installation, place: Elsewhere, tmp_path: Path) -> None:
    variables = {
        **here(),
        "PYTHON": sys.executable,
        **({"DRILL_DATABASE_URL": place.database} if place.database else {}),
    }
    done = subprocess.run(
        [ROOT / "deploy" / "drill.sh", tmp_path / "drill"], cwd=tmp_path, env=variables, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("drill passed")


def flipped(archive: bytes) -> bytes:
    """Return an archive with one bit wrong, near its middle.

    Not just any bit: within a run of zeroes, some only name another distance to the same bytes.
    """
    for place in range(len(archive) // 2, len(archive)):
        damaged = archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]
        try:
            same = gzip.decompress(damaged) == gzip.decompress(archive)
        except (OSError, EOFError, zlib.error):
            return damaged
        assert same, "the compression's own checksum missed it"
    raise AssertionError("no bit matters")


def rewritten(archive: bytes, member: str, change: Callable[[bytes], bytes], name: str = "") -> bytes:
    """Return an archive with one member changed, as somebody would do who knows tar and not the checksums."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for entry in old:
            content = old.extractfile(entry).read()  # type: ignore[union-attr]
            if entry.name == member:
                content = change(content)
                entry.name, entry.size = name or entry.name, len(content)
            new.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def with_manifest(archive: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    """Return an archive whose manifest says something else, with the right checksum of the manifest."""
    import hashlib

    told: list[bytes] = []

    def reword(raw: bytes) -> bytes:
        manifest = json.loads(raw)
        change(manifest)
        told.append(json.dumps(manifest).encode())
        return told[0]

    return rewritten(
        rewritten(archive, "manifest.json", reword), "manifest.sha256",
        lambda _raw: hashlib.sha256(told[0]).hexdigest().encode(),
    )  # fmt: skip


def test_manifest_survives_its_own_words() -> None:
    from controlplane.operating.backup import manifest as manifests

    snapshot = manifests.Snapshot(migrations=["a.0001"], counts={"t": 1}, head_seq=0, head_hash="0" * 64)
    made = Manifest(
        version="1", engine="sqlite", created_at="", snapshot=snapshot, files={"database": "x"}, secrets=False
    )
    assert manifests.read(made.as_bytes()) == made
