"""What the settings make of an https address, and which mistakes are told."""

from __future__ import annotations

import base64
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from controlplane import checks, environment
from controlplane.environment import BadSetting

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_check_deploy_is_clean_under_https(tmp_path: Path) -> None:
    told = {
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_HOME": str(tmp_path),
        "CONTROLPLANE_PUBLIC_URL": "https://cp.example.com",
        "CONTROLPLANE_TRUSTED_PROXIES": "10.0.0.1",
        "CONTROLPLANE_REQUIRE_MFA": "admin,reviewer",
        "CONTROLPLANE_SECRET_KEY": "".join(f"{number:02d}z" for number in range(40)),
        "CONTROLPLANE_KEY_PEPPERS": "1:" + "ab" * 32,
        "CONTROLPLANE_ENCRYPTION_KEYS": base64.urlsafe_b64encode(bytes(range(32))).decode(),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=ROOT, env={**kept, **told}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told_ids = {line.split("(")[1].split(")")[0] for line in done.stderr.splitlines() if line.startswith("?: (")}
    # The linked SQLite is this machine's.
    assert told_ids <= {"controlplane.W001"}


def test_settings_that_let_nobody_in_are_refused(settings: Settings) -> None:
    settings.PASSWORD_LOGIN, settings.OIDC_ISSUER = False, ""
    assert [found.id for found in checks.somebody_can_log_in()] == ["controlplane.E003"]
    settings.OIDC_ISSUER = "https://id.example.com"
    assert [found.id for found in checks.somebody_can_log_in()] == ["controlplane.E004"]
    settings.ENVIRONMENT = dataclasses.replace(settings.ENVIRONMENT, oidc_client_id="cp")
    settings.OIDC_ROLES = (("admin", "admins"),)
    assert checks.somebody_can_log_in() == []


def test_administrators_without_a_factor_are_told_under_https(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.REQUIRE_MFA = "https://cp.example.com", ("reviewer",)
    assert [found.id for found in checks.administrators_have_two_factors()] == ["controlplane.W006"]
    settings.REQUIRE_MFA = ("admin",)
    assert checks.administrators_have_two_factors() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTROLPLANE_REQUIRE_MFA", "admin,king"),
        ("CONTROLPLANE_OIDC_ROLES", "king=admins"),
        ("CONTROLPLANE_OIDC_ROLES", "admins"),
        ("CONTROLPLANE_OIDC_ISSUER", "http://id.example.com"),
        ("CONTROLPLANE_OIDC_ISSUER", "id.example.com"),
    ],
)
def test_values_that_mean_nothing_are_refused(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        environment.read({name: value})


def test_groups_may_hold_commas_and_equals_signs() -> None:
    read = environment.read({"CONTROLPLANE_OIDC_ROLES": "admin=cn=cp,ou=groups; reviewer = people"})
    assert read.oidc_roles == (("admin", "cn=cp,ou=groups"), ("reviewer", "people"))


def test_proxies_drop_what_a_caller_could_say_of_its_address() -> None:
    """The web server reads ``X_Forwarded_For`` as ``X-Forwarded-For``; only the proxy can tell them apart."""
    caddy, nginx = ((ROOT / "deploy" / name).read_text() for name in ("Caddyfile", "nginx.conf"))
    for name in ("X_Forwarded_For", "X_Forwarded_Proto"):
        assert f"request_header -{name}\n" in caddy
    assert "underscores_in_headers off;" in nginx
    # Once for the server: a location that set one of its own would inherit none.
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in nginx
    assert nginx.count("proxy_set_header") == 3
