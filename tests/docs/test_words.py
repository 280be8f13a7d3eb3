"""Commands, options, variables and files that the documentation names exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from controlplane import environment
from tests.docs.blocks import ROOT, blocks, pages

_COMMAND = re.compile(r"manage\.py ([a-z_0-9]+)")
_VARIABLE = re.compile(r"\b(?:CONTROLPLANE_[A-Z_]+|DATABASE_URL|REDIS_URL)\b")
_FILE = re.compile(r"`((?:deploy|docs|controlplane|tests)/[\w./-]+)`")
# Names that readers give to values of their own.
_OWN = {"CONTROLPLANE_"}


def _everywhere() -> list[tuple[str, str]]:
    return [(str(page.relative_to(ROOT)), page.read_text()) for page in pages()]


def test_every_named_command_exists() -> None:
    known = set(get_commands())
    unknown = {(page, name) for page, text in _everywhere() for name in _COMMAND.findall(text) if name not in known}
    assert unknown == set()


def test_every_named_variable_exists() -> None:
    known = {entry.name for entry in environment.variables()} | {environment.BOOTSTRAP_SWITCH} | _OWN
    unknown = {(page, name) for page, text in _everywhere() for name in _VARIABLE.findall(text) if name not in known}
    assert unknown == set()


def test_every_named_file_exists() -> None:
    named = {(page, name) for page, text in _everywhere() for name in _FILE.findall(text)}
    missing = {(page, name) for page, name in named if not (ROOT / name).exists()}
    assert missing == set()


def _lines_of_shell(page: Path) -> Iterator[str]:
    for block in blocks(page):
        if block.language == "sh":
            yield from block.text.replace("\\\n", " ").splitlines()


@pytest.mark.slow
def test_every_command_line_of_the_readme_is_understood() -> None:
    understood = 0
    for line in _lines_of_shell(ROOT / "README.md"):
        words = shlex.split(line, comments=True)
        if words[:2] == ["python3", "manage.py"]:
            name = words[2]
            command = load_command_class(get_commands()[name], name)
            parser = command.create_parser("manage.py", name)
            # argparse ends the process on what it does not understand.
            parser.parse_args(words[3:])
            understood += 1
    assert understood >= 8


def test_compose_names_what_the_documentation_names() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    page = ROOT / "docs" / "deploy" / "compose.md"
    said = "\n".join(block.text for block in blocks(page) if block.language == "docker")
    assert "docker compose logs prepare" in said
    assert "prepare" in services
    run = re.findall(r"`docker compose run --rm (\w+) (\w+)`", page.read_text())
    assert run
    assert [(service, name) for service, name in run if service not in services or name not in get_commands()] == []


def test_every_picture_is_shown_and_every_shown_picture_exists() -> None:
    shown = {name for _, text in _everywhere() for name in re.findall(r"!\[[^\]]+\]\([./\w]*images/([\w.-]+)\)", text)}
    assert shown
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} >= shown
