"""System checks tell mistakes of a deployment, and nothing else."""

from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from controlplane import checks, keyring


def _ids(found: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in found]


def _use(settings: Settings, **values: Any) -> None:
    settings.ENVIRONMENT = dataclasses.replace(settings.ENVIRONMENT, **values)


def test_every_check_has_an_id_of_ours_and_a_hint(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.PUBLIC_URL = "https://cp.example.com"
    settings.TRUSTED_PROXIES = ()
    found = [message for check, _ in checks.CHECKS for message in check()]
    assert found
    assert all(message.hint and (message.id or "").startswith("controlplane.") for message in found)


def test_old_sqlite_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(settings, database_url="sqlite:////srv/cp.sqlite3")
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 2))
    assert _ids(checks.sqlite_is_sound()) == ["controlplane.W001"]
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 3))
    assert checks.sqlite_is_sound() == []
    _use(settings, database_url="postgresql://db/cp")
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 40, 1))
    assert checks.sqlite_is_sound() == []


def test_sqlite_with_two_web_processes_is_refused(settings: Settings) -> None:
    _use(settings, database_url="sqlite:////srv/cp.sqlite3")
    _use(settings, web_workers=2)
    assert _ids(checks.sqlite_has_one_web_process()) == ["controlplane.E001"]
    _use(settings, database_url="postgresql://db/cp")
    assert checks.sqlite_has_one_web_process() == []


@pytest.mark.parametrize(
    ("debug", "host", "url", "expected"),
    [
        (True, "127.0.0.1", "http://127.0.0.1:8000", []),
        (True, "0.0.0.0", "http://127.0.0.1:8000", ["controlplane.E002"]),
        (True, "127.0.0.1", "https://cp.example.com", ["controlplane.E002"]),
        (False, "0.0.0.0", "https://cp.example.com", []),
    ],
)
def test_debug_is_refused_where_others_reach_it(
    settings: Settings, debug: bool, host: str, url: str, expected: list[str]
) -> None:
    settings.DEBUG = debug
    settings.PUBLIC_URL = url
    _use(settings, host=host)
    assert _ids(checks.debug_is_private()) == expected


def test_secrets_that_nobody_stored_are_told(settings: Settings) -> None:
    settings.KEYRING = keyring.Keyring("x", {}, (), ephemeral=("secret_key", "key_peppers"))
    assert _ids(checks.secrets_are_stored()) == ["controlplane.W002"] * 2


def test_secret_file_that_others_may_read_is_told(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    assert checks.secrets_are_private() == []
    keyring.ensure(dataclasses.replace(settings.ENVIRONMENT, home=tmp_path, secret_key="", secret_key_file=None))
    assert checks.secrets_are_private() == []
    (tmp_path / "secrets" / "secret_key").chmod(0o640)
    assert _ids(checks.secrets_are_private()) == ["controlplane.W003"]


def test_variable_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLPLANE_PROT", "8001")
    found = checks.variables_are_known()
    assert _ids(found) == ["controlplane.W004"]
    assert "CONTROLPLANE_PROT" in found[0].msg


def test_tls_without_a_named_proxy_is_told(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://cp.example.com"
    settings.TRUSTED_PROXIES = ()
    assert _ids(checks.proxies_are_named()) == ["controlplane.W005"]
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("10.0.0.1/32"),)
    assert checks.proxies_are_named() == []
