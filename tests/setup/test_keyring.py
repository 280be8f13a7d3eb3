"""Secrets: made once, private, and never replaced."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from controlplane import environment, keyring


@pytest.fixture
def empty(tmp_path: Path) -> environment.Environment:
    return environment.read({"CONTROLPLANE_HOME": str(tmp_path / "home")})


def test_ensure_makes_private_files_once(empty: environment.Environment) -> None:
    made = keyring.ensure(empty)
    assert {path.name for path in made} == {"secret_key", "key_peppers", "encryption_keys"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert stat.S_IMODE((empty.home / "secrets").stat().st_mode) == 0o700
    first = keyring.load(empty)
    assert keyring.ensure(empty) == []
    assert keyring.load(empty) == first
    assert first.ephemeral == ()
    Fernet(first.encryption_keys[0])


def test_ensure_by_many_at_once_leaves_one_secret(empty: environment.Environment) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [path for paths in threads.map(lambda _: keyring.ensure(empty), range(8)) for path in paths]
    assert len(made) == 3
    assert {path.name for path in (empty.home / "secrets").iterdir()} == {path.name for path in made}


def test_load_without_files_makes_up_secrets_and_says_so(empty: environment.Environment) -> None:
    first, second = keyring.load(empty), keyring.load(empty)
    assert first.secret_key != second.secret_key
    assert set(first.ephemeral) == {"secret_key", "key_peppers", "encryption_keys"}
    assert not empty.home.exists()


def test_given_secrets_win_over_stored_ones(tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.write_text(f"9:{'ab' * 32}\n")
    given = environment.read(
        {
            "CONTROLPLANE_HOME": str(tmp_path),
            "CONTROLPLANE_SECRET_KEY": "x" * 40,
            "CONTROLPLANE_KEY_PEPPERS_FILE": str(mounted),
        }
    )
    assert {path.name for path in keyring.ensure(given)} == {"encryption_keys"}
    found = keyring.load(given)
    assert found.secret_key == "x" * 40
    assert found.key_peppers == {"9": b"\xab" * 32}


def test_load_of_a_broken_file_is_refused(empty: environment.Environment) -> None:
    for path in keyring.ensure(empty):
        path.write_text("1:zz\n")
    with pytest.raises(environment.BadSetting, match="valid secret"):
        keyring.load(empty)
