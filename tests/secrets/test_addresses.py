"""Passwords inside DATABASE_URL and REDIS_URL: in no message, page, log or command line, not even with debug on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from django.views import debug

from controlplane import debugging, environment
from controlplane.addresses import database_settings
from controlplane.environment import BadSetting
from tests.controlplane.api.conftest import _scene, scene
from tests.controlplane.api.scene import Scene
from tests.secrets.canaries import FORMS, Canary, addresses
from tests.secrets.looking import found_in

__all__ = ["_scene", "scene"]

ROOT = Path(__file__).resolve().parents[2]
WORDS = addresses()
DATABASE, BROKER = WORDS["database"], WORDS["broker"]
# Nobody listens on port 1.
AWAY = {
    "DATABASE_URL": f"postgresql://app:{DATABASE.text}@127.0.0.1:1/app",
    "REDIS_URL": f"redis://:{BROKER.text}@127.0.0.1:1/0",
}
# As people mistype them: what stands behind a stray / ? # or : is no part of the password any more.
BROKEN = (
    ("DATABASE_URL", "postgresql://app:half/{}@db.example.com/app"),
    ("DATABASE_URL", "postgresql://app:{}/half@db.example.com/app"),
    ("DATABASE_URL", "postgresql://app:half?{}@db.example.com/app"),
    ("DATABASE_URL", "postgresql://app@db.example.com:{}/app"),
    ("DATABASE_URL", "postgresql://app:{}@db.example.com"),
    ("DATABASE_URL", "postgresql://[app:{}@db.example.com/app"),
    ("DATABASE_URL", "mysql://app:{}@db.example.com/app"),
    ("DATABASE_URL", "{}"),
    ("REDIS_URL", "redis://:{}/half@cache.example.com:6379/0"),
    ("REDIS_URL", "redis://cache.example.com:{}/0"),
    ("REDIS_URL", "redis://[:{}@cache.example.com/0"),
    ("REDIS_URL", "http://:{}@cache.example.com/0"),
    ("REDIS_URL", "{}"),
)


@pytest.mark.parametrize(("name", "form"), BROKEN)
def test_a_mistyped_address_is_refused_without_a_word_of_it(name: str, form: str) -> None:
    with pytest.raises(BadSetting, match=name) as refused:
        environment.read({name: form.format(DATABASE.text)})
    chain: BaseException | None = refused.value
    while chain is not None:
        shown = chain is refused.value or not refused.value.__suppress_context__
        assert not (shown and found_in(f"{chain!r}", [DATABASE])), chain
        chain = chain.__cause__ or chain.__context__


def test_what_was_read_says_no_password() -> None:
    read = environment.read(
        {**AWAY, "CONTROLPLANE_SECRET_KEY": DATABASE.text * 2, "CONTROLPLANE_METRICS_TOKEN": BROKER.text * 2}
    )
    assert found_in(f"{read!r} {read}", [DATABASE, BROKER]) == []
    assert DATABASE.text in read.database_address


def test_a_password_among_the_options_is_taken_out_of_them() -> None:
    found = database_settings(f"postgresql:///app?host=/run&user=app&password={DATABASE.text}")
    assert (found["USER"], found["PASSWORD"]) == ("app", DATABASE.text)
    assert found_in(str(found["OPTIONS"]), [DATABASE]) == []


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "command",
    [
        "check", "check --deploy", "check --database default", "migrate", "audit_verify", "backup out.tar.gz",
        "reference --check",
    ],
)  # fmt: skip
def test_commands_say_no_password(tmp_path: Path, command: str) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    told = {"CONTROLPLANE_NO_BOOTSTRAP": "1", "CONTROLPLANE_HOME": str(tmp_path), "CONTROLPLANE_LOG_LEVEL": "debug"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command.split(), "--traceback"],
        cwd=tmp_path, env={**kept, **told, **AWAY, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout + done.stderr
    assert found_in(done.stdout + done.stderr, [DATABASE, BROKER]) == []


def _page(path: str, **headers: str) -> str:
    client = Client(raise_request_exception=False, headers=headers)
    answer = client.get(path)
    assert answer.status_code == 500
    return answer.content.decode()


@pytest.fixture
def told(settings: Any) -> Iterator[None]:
    """The settings of an installation with both addresses."""
    # Django remembers which filter it found first.
    debug.get_default_exception_reporter_filter.cache_clear()
    found = environment.read(AWAY)
    settings.ENVIRONMENT = found
    settings.REDIS_URL = settings.CELERY_BROKER_URL = found.broker_url
    settings.DEBUG, settings.ROOT_URLCONF = True, "tests.controlplane.api.broken_urls"
    yield
    debug.get_default_exception_reporter_filter.cache_clear()


@pytest.mark.slow
@pytest.mark.once
def test_the_page_for_authors_says_no_secret(scene: Scene, told: None) -> None:
    own = Canary("agent's key", scene.world.text, scene.world.text.split("_", 3)[3][:43])
    for canary in (*FORMS, own):
        plain = canary.text.replace("\n", " ")
        headers = {"Authorization": f"Bearer {plain}", "X-Api-Key": plain, "Cookie": f"token={plain}", "Referer": plain}
        page = _page(f"/elsewhere/bug?password={canary.core}&q={plain}", **headers)
        assert "RuntimeError" in page
        assert "ROOT_URLCONF" in page, "it is the page for authors"
        assert found_in(page, [canary, DATABASE, BROKER]) == [], canary.name


@pytest.mark.slow
@pytest.mark.once
def test_djangos_own_page_is_caught(scene: Scene, told: None) -> None:
    """The naive twin: Django hides by name alone."""
    module = "django.views.debug"
    reporter, its_filter = f"{module}.ExceptionReporter", f"{module}.SafeExceptionReporterFilter"
    with override_settings(DEFAULT_EXCEPTION_REPORTER=reporter, DEFAULT_EXCEPTION_REPORTER_FILTER=its_filter):
        page = _page(f"/elsewhere/bug?q={FORMS[2].text}")
    assert set(found_in(page, [FORMS[2], DATABASE, BROKER])) >= {FORMS[2].name, BROKER.name}


def test_variables_of_a_frame_are_shown_without_secrets() -> None:
    def breaks(password: str, text: str) -> None:
        raise RuntimeError

    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    with pytest.raises(RuntimeError) as raised:
        breaks("anything", FORMS[2].text)
    frame = raised.traceback[-1].frame.raw
    found = dict(debugging.Filter().get_traceback_frame_variables(None, frame))
    assert found["password"] == "[redacted]"
    assert FORMS[2].core not in repr(found["text"])
    assert repr(debugging._shown(Broken())) == "Its repr raised ValueError"
