"""Static files: collected once per change, named by content, served from here."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from controlplane.assets import AssetStorage
from controlplane.supervisor import preparation


def test_plain_names_until_files_are_collected(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    assert AssetStorage().url("unfold/css/styles.css") == "/static/unfold/css/styles.css"


@pytest.mark.slow
def test_assets_are_collected_once_and_named_by_content(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    assert preparation.collect_assets(settings.STATIC_ROOT)
    assert not preparation.collect_assets(settings.STATIC_ROOT)
    assert AssetStorage().url("unfold/css/styles.css") != "/static/unfold/css/styles.css"
    (settings.STATIC_ROOT / preparation._STAMP).write_text("something changed")
    assert preparation.collect_assets(settings.STATIC_ROOT)


def test_nothing_of_the_console_is_missing_from_its_static_files() -> None:
    call_command(
        "findstatic", "unfold/css/styles.css", "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css", verbosity=0
    )
