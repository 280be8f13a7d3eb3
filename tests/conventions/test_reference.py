"""The reference pages say what the code says."""

from __future__ import annotations

import ast

from controlplane import environment, reference
from tests.conventions.test_shape import PACKAGES, ROOT, _name, _python_files


def test_reference_pages_are_current() -> None:
    assert not list(reference.stale(ROOT / "docs" / "reference")), "run `manage.py reference`"


def test_every_variable_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert [entry.name for entry in environment.variables() if f"`{entry.name}`" not in page] == []


def test_only_one_module_reads_the_environment() -> None:
    readers = {
        _name(path)
        for path in _python_files(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    # The bootstrap runs before anything can be imported.
    assert readers == {"controlplane/environment.py", "controlplane/bootstrap.py"}
