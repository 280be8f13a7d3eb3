"""The commands ``apply`` and ``export``."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from registry.models import Agent, User
from tests.controlplane.apply.conftest import EXAMPLE

FILE = str(Path(__file__).parent / "example.yaml")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_apply_prints_the_plan_and_export_the_document(admin: User, tmp_path: Path) -> None:
    dry = run("apply", FILE, "--by", "admin", "--dry-run")
    assert dry.endswith("9 added, 0 changed, 0 unchanged. Dry run: nothing was written.\n")
    assert not Agent.objects.exists()
    first = run("apply", FILE, "--by", "admin")
    assert "+ agents/job-applier\n    + name: Job application agent\n" in first
    again = run("apply", FILE, "--by", "admin")
    assert again.startswith("= teams/talent\n")
    assert again.endswith("0 added, 0 changed, 9 unchanged.\n")
    exported = tmp_path / "exported.yaml"
    exported.write_text(run("export", "--by", "admin"), encoding="utf-8")
    assert run("apply", str(exported), "--by", "admin") == again


def test_apply_reads_standard_input(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + EXAMPLE.encode())))
    assert "9 added" in run("apply", "-", "--by", "admin")


def test_apply_names_file_line_and_place(admin: User, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("teams:\n  talent:\n    nam: x\nagents: [1\n", encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        run("apply", str(file), "--by", "admin")
    assert str(caught.value).startswith(f"nothing was changed\n{file}:5: ")
    file.write_text("teams:\n  talent:\n    nam: x\nagents: []\n", encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        run("apply", str(file), "--by", "admin")
    assert str(caught.value).splitlines() == [
        "nothing was changed",
        f"{file}:3: teams/talent/nam: “nam” is not known here; known are lead, members, name.",
        f"{file}:4: agents: Expected keys and values, found an empty list.",
    ]
    assert caught.value.returncode == 1


def test_apply_says_what_it_cannot_read(admin: User, tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"teams: {a: {name: \xe9}}")
    for arguments, told in (
        ((str(tmp_path / "void.yaml"), "--by", "admin"), "No such file"),
        ((str(tmp_path), "--by", "admin"), "directory"),
        ((str(latin), "--by", "admin"), "not UTF-8"),
        ((FILE, "--by", "nobody"), "no active person named nobody"),
        ((FILE, "--by", "talent-lead"), "Line 2: teams/talent: Only administrators"),
    ):
        with pytest.raises(CommandError, match=told):
            run("apply", *arguments)


def test_export_refuses_who_does_not_see_everything(admin: User) -> None:
    with pytest.raises(CommandError, match="Only administrators and auditors"):
        run("export", "--by", "talent-reviewer")
