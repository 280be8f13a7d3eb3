"""Settings: every one of the reference with its value and source, no secret, for administrators alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from controlplane import environment
from controlplane.console.settings_page import SettingLine, read_settings
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene

SECRET = "0123456789abcdef" * 4
GIVEN = {
    "CONTROLPLANE_SECRET_KEY": SECRET,
    "CONTROLPLANE_KEY_PEPPERS": f"k:{SECRET}",
    "DATABASE_URL": f"postgresql://someone:{SECRET}@db.example/name",
    "REDIS_URL": f"rediss://:{SECRET}@broker.example/0",
    "CONTROLPLANE_OIDC_CLIENT_SECRET": SECRET,
    "CONTROLPLANE_METRICS_TOKEN": SECRET,
    "CONTROLPLANE_PORT": "9000",
    "CONTROLPLANE_HOST": "0.0.0.0",  # nothing listens here
    "CONTROLPLANE_PASSWORD_LOGIN": "off",
    "CONTROLPLANE_OIDC_ROLES": "admin=chiefs;reviewer=desk",
    "CONTROLPLANE_TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1",
    "CONTROLPLANE_LABEL": " ",
}


def lines_of(environ: dict[str, str], **more: object) -> dict[str, SettingLine]:
    page = read_settings(environment.read(environ), given=environment.given(environ), **more)  # type: ignore[arg-type]
    return {line.name: line for line in page.lines}


def told(lines: dict[str, SettingLine], name: str) -> tuple[str, str]:
    return lines[name].value, lines[name].source


def test_values_in_force_and_their_sources(tmp_path: Path) -> None:
    lines = lines_of({**GIVEN, "CONTROLPLANE_HOME": str(tmp_path)}, allowed_hosts=["a.example", "b.example"])
    assert told(lines, "CONTROLPLANE_HOME") == (str(tmp_path), "environment")
    assert told(lines, "CONTROLPLANE_PORT") == ("9000", "environment")
    assert told(lines, "CONTROLPLANE_LANE_PORT") == ("9001", "default")
    assert told(lines, "CONTROLPLANE_PUBLIC_URL") == ("http://0.0.0.0:9000", "default")
    assert told(lines, "CONTROLPLANE_PASSWORD_LOGIN") == ("off", "environment")
    assert told(lines, "CONTROLPLANE_OIDC_ROLES") == ("admin=chiefs, reviewer=desk", "environment")
    assert told(lines, "CONTROLPLANE_TRUSTED_PROXIES") == ("10.0.0.0/8, 127.0.0.1/32", "environment")
    assert told(lines, "CONTROLPLANE_ALLOWED_HOSTS") == ("a.example, b.example", "default")
    assert told(lines, "CONTROLPLANE_LABEL") == ("nothing", "default")
    assert told(lines, "CONTROLPLANE_WEB_THREADS") == ("8", "default")
    assert told(lines, "CONTROLPLANE_LOG_FORMAT") == ("console on a terminal, else json", "default")
    assert told(lines, environment.BOOTSTRAP_SWITCH) == ("off", "default")


def test_of_a_secret_it_says_only_whether_and_where_it_is_set(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)
    lines = lines_of({**GIVEN, "CONTROLPLANE_METRICS_TOKEN": "", "CONTROLPLANE_METRICS_TOKEN_FILE": str(file)})
    for name in ("CONTROLPLANE_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "CONTROLPLANE_OIDC_CLIENT_SECRET"):
        assert told(lines, name) == ("set", "environment"), name
    assert told(lines, "CONTROLPLANE_METRICS_TOKEN") == ("set", "file")
    assert told(lines, "CONTROLPLANE_METRICS_TOKEN_FILE") == (str(file), "environment")
    assert not any(SECRET in value for line in lines.values() for value in (line.value, line.meaning))
    bare = lines_of({}, ephemeral=["key_peppers"])
    assert told(bare, "CONTROLPLANE_SECRET_KEY") == ("set", "file")
    assert told(bare, "CONTROLPLANE_KEY_PEPPERS") == ("set", "this process alone")
    for name in ("DATABASE_URL", "REDIS_URL", "CONTROLPLANE_METRICS_TOKEN"):
        assert told(bare, name) == ("not set", "default"), name


def test_every_setting_of_the_reference_is_there(tmp_path: Path) -> None:
    names = list(lines_of({}))
    rows = (Path(str(settings.BASE_DIR)) / "docs/reference/settings.md").read_text().splitlines()
    assert names == [row.split("`")[1] for row in rows if row.startswith("| `")]


@pytest.mark.slow
def test_the_page_is_for_administrators_and_tells_no_secret(
    scene: Scene, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTROLPLANE_WEB_THREDS", "9")
    url, world = reverse("admin:settings"), scene.world
    client = visit(world.admin)
    shown = client.get(url).content.decode()
    for secret in (
        settings.SECRET_KEY, settings.DATABASES["default"].get("PASSWORD"), *settings.KEYRING.encryption_keys,
        *(pepper.hex() for pepper in settings.KEYRING.key_peppers.values()),
    ):  # fmt: skip
        assert not secret or secret not in shown
    assert str(settings.HOME) in shown
    assert "<code>CONTROLPLANE_WEB_THREDS</code>" in shown
    assert client.post(url).status_code == 405
    for user in (world.operator, world.owner, world.reviewer, world.auditor):
        assert visit(user).get(url).status_code == 403, user
        assert f'href="{url}"' not in visit(user).get("/home/").content.decode()
    assert f'href="{url}"' in client.get("/home/").content.decode()
