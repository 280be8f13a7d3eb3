"""What the code base looks like: file lengths, layers, imports, the same files in every app."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps as django_apps
from django.db.models import ForeignObject, ManyToManyField

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("approvals", "audit", "costs", "policies", "registry", "runs")
PACKAGES = (*APPS, "controlplane")
LONGEST_FILE = 400
# Each may be a module or a package of that name.
USUAL_FILES = ("states", "models", "permissions", "operations", "tasks")
FILES_OF_AN_APP = {
    **dict.fromkeys(APPS, USUAL_FILES),
    # The ground floor has no states of its own, and who may write the trail is decided above it.
    "audit": ("models", "operations", "tasks"),
}
# Other people's machines, and the traces of this one.
LOCAL_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt|mnt)/")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".lock", ".yaml", ".yml", ".html", ".css", ".js", ".json", ".txt", ""}
NOT_OURS = {"var", "__pycache__"}
HIDDEN_BUT_OURS = {".ci", ".gitignore"}


def _python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def _all_text_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") for part in set(parts) - HIDDEN_BUT_OURS)
        if not hidden and not NOT_OURS & set(parts) and path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield path


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_a_mind() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in _python_files(*PACKAGES, "tests")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_imports_only_go_down() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_imported_inside_functions() -> None:
    late = [
        f"{_name(path)}:{node.lineno}"
        for path in _python_files(*PACKAGES)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert late == []


@pytest.mark.parametrize("app", APPS)
def test_every_app_has_the_same_files(app: str) -> None:
    missing = [
        name
        for name in FILES_OF_AN_APP[app]
        if not (ROOT / app / f"{name}.py").is_file() and not (ROOT / app / name / "__init__.py").is_file()
    ]
    assert missing == []


def test_no_reverse_accessor_looks_up() -> None:
    """A lower app must not see a higher one through Django's back door: such relations have no way back."""
    named = [
        f"{model._meta.label}.{field.name}"
        for model in django_apps.get_models()
        if model._meta.app_label in APPS
        for field in model._meta.get_fields()
        if isinstance(field, ForeignObject | ManyToManyField)
        and field.remote_field.model._meta.app_label in set(APPS) - {model._meta.app_label}
        and not field.remote_field.hidden
    ]
    assert named == []


def test_no_text_names_a_local_path() -> None:
    found = []
    for path in _all_text_files():
        if path == Path(__file__):
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{_name(path)}:{number}" for number, line in enumerate(lines, 1) if LOCAL_PATHS.search(line)]
    assert found == []
