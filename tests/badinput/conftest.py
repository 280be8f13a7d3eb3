"""The scene of the API's tests, and the count of refusals at the end of each module."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.badinput.refusing import TRIED
from tests.controlplane.api.conftest import _scene, scene

__all__ = ["_scene", "scene"]


@pytest.fixture(scope="module", autouse=True)
def _told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print how many refusals a module tried, past the capture, from a worker's process as well."""
    TRIED.clear()
    yield
    if TRIED:
        told = ", ".join(f"{name} {number}" for name, number in sorted(TRIED.items()))
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{request.node.nodeid}: {TRIED.total()} cases refused ({told})", file=sys.stderr)
