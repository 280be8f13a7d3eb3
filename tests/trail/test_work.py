"""Every command, driven when there is something to do: rows changed, so an entry stands beside them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, get_commands
from django.db import connection, transaction

from approvals.models import Grant
from approvals.operations import cancel_request
from audit import sql
from controlplane.celery import app
from registry.models import Agent
from tests.faults.tasks import CASES
from tests.matrix.asking import Asker
from tests.matrix.places import Places
from tests.trail.counting import APPS, Watch, install, watching
from tests.trail.exemptions import COLUMNS, TABLES
from tests.world import PASSWORD

for _place in (*(each.name for each in APPS), "controlplane.operating"):
    if importlib.util.find_spec(f"{_place}.tasks"):
        importlib.import_module(f"{_place}.tasks")

SAMPLES = Path(__file__).parent.parent / "samples" / "n8n"
DOCUMENT = "teams:\n  desk: {name: Desk, members: []}\n"

# What changes no product table, and why.
OUTSIDE: dict[str, str] = {
    "alive": "reads signs of life",
    "audit_export": "writes a file",
    "backup": "reads the database and writes a file; restoring has tests of its own",
    "check_migrations": "reads migrations",
    "demo": "asks a served installation over HTTP; what it loads, the console's dialog loads in test_requests.py",
    "export": "writes the document to its output",
    "licences": "writes a page of the docs",
    "migrate": "changes the schema, before there is a trail",
    "prepare": "migrates and creates the first administrator by createuser's operation",
    "reference": "writes pages of the docs",
    "restore": "replaces the whole database, with tests of its own",
    "sbom": "writes a file",
    "test": "runs the tests",
    "up": "starts processes",
}


def _apply(places: Places, folder: Path) -> None:
    file = folder / "document.yaml"
    file.write_text(DOCUMENT)
    call_command("apply", str(file), by="admin", stdout=io.StringIO())


def _createuser(places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    call_command("createuser", "newcomer", role="reviewer", password_stdin=True, team=["talent"], stdout=io.StringIO())


def _issue_key(places: Places, folder: Path) -> None:
    call_command(
        "issue_key", "own-helper", environment="production", scopes="act", by="talent-operator", stdout=io.StringIO()
    )


def _callback_secret(places: Places, folder: Path) -> None:
    call_command("callback_secret", "own-helper", by="talent-operator", stdout=io.StringIO())


def _import_n8n(places: Places, folder: Path) -> None:
    files = [str(path) for path in sorted(SAMPLES.glob("*.json"))][:3]
    call_command("import_n8n", "own-agent", *files, by="admin", stdout=io.StringIO(), stderr=io.StringIO())


def _audit_verify(places: Places, folder: Path) -> None:
    call_command("audit_verify", stdout=io.StringIO())


COMMANDS: dict[str, Callable[..., None]] = {
    "apply": _apply,
    "audit_verify": _audit_verify,
    "callback_secret": _callback_secret,
    "createuser": _createuser,
    "import_n8n": _import_n8n,
    "issue_key": _issue_key,
}


def drive(action: Callable[[], object]) -> Watch:
    """Do something, take it back, and return what was seen."""
    with transaction.atomic():
        with watching() as watch:
            action()
        transaction.set_rollback(True)
    return watch


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_changes_of_a_command_are_in_the_trail(
    asker: Asker,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install()
    extra: dict[str, Any] = {"monkeypatch": monkeypatch} if name == "createuser" else {}

    def act() -> None:
        # Some end the process, as commands with exit codes do.
        with contextlib.suppress(SystemExit):
            COMMANDS[name](asker.places, tmp_path, **extra)

    watch = drive(act)
    assert watch.silent == []
    if name in {"apply", "createuser", "issue_key", "import_n8n"}:
        assert watch.changed, "the command had nothing to do"


def test_every_task_and_command_is_driven() -> None:
    tasks = {name for name in app.tasks if not name.startswith("celery.")}
    ours = {name for name, place in get_commands().items() if place in {each.name for each in APPS}}
    driven = {*(case.name for case in CASES), *COMMANDS, *OUTSIDE}
    assert sorted((tasks | ours) - driven) == [], "drive them, or say why they change nothing"
    assert sorted(driven - tasks - ours) == []


@pytest.mark.django_db
def test_exemptions_name_what_there_is() -> None:
    with connection.cursor() as cursor:
        known = set(connection.introspection.table_names(cursor))
        assert set(TABLES) | set(COLUMNS) <= known
        for table, columns in COLUMNS.items():
            described = {each.name for each in connection.introspection.get_table_description(cursor, table)}
            assert set(columns) <= described


@pytest.mark.slow
def test_an_update_around_the_trail_is_caught(asker: Asker) -> None:
    """The naive twin: an operation that writes by ``QuerySet.update`` and says nothing."""
    install()

    def naive() -> None:
        with transaction.atomic():
            Agent.objects.filter(slug="own-agent").update(purpose="another")

    assert drive(naive).silent == [{"registry_agent UPDATE": 1}]


@pytest.mark.slow
def test_an_operation_that_skips_its_note_is_caught(asker: Asker) -> None:
    """The naive twin: two transactions, of which only the other one writes an entry."""
    install()
    held = asker.places.own.things["held"]

    def naive() -> None:
        with transaction.atomic():
            Grant.objects.filter(state="issued").update(state="revoked")
        with transaction.atomic():
            cancel_request(request=held, by=asker.places.world.admin, now=sql.now(), reason="x")  # type: ignore[arg-type]

    watch = drive(naive)
    assert [list(changes) for changes in watch.silent] == [["approvals_grant UPDATE"]]
    assert [each.entries for each in watch.transactions] == [0, 1]


@pytest.mark.slow
def test_a_log_in_column_is_exempt_and_its_neighbours_are_not(asker: Asker) -> None:
    install()
    keys = asker.places.own.things["key"]._meta.default_manager  # type: ignore[attr-defined]
    assert not drive(lambda: keys.update(last_used_at=sql.now())).changed
    assert drive(lambda: keys.update(scopes=[])).silent
