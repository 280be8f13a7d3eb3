"""The OpenAPI document: current, complete, valid; and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.urls import URLPattern
from pytest_django.live_server_helper import LiveServer

from controlplane.api.schema import document
from controlplane.api.urls import urlpatterns
from tests.browser import page
from tests.controlplane.api.callers import nobody, problem

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openapi.yaml"
COMMAND = "python3 manage.py spectacular --validate --fail-on-warn --file docs/reference/openapi.yaml"


@pytest.fixture(scope="module")
def drawn() -> Any:
    return yaml.safe_load(document())


def test_the_committed_schema_is_current(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(fresh))
    assert COMMITTED.read_text() == fresh.read_text(), f"run `{COMMAND}`"


@pytest.mark.slow
def test_the_served_schema_is_the_committed_one(drawn: Any) -> None:
    answer = nobody().get("/api/schema")
    assert answer.status_code == 200
    assert yaml.safe_load(answer.content) == drawn == yaml.safe_load(COMMITTED.read_text())
    problem(nobody().send("POST", "/api/schema"), 405)


def _routes() -> Iterator[str]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        route = str(pattern.pattern)
        if route.startswith("v1/"):
            names = {name: f"{{{name}}}" for name in pattern.pattern.converters}
            for converter in ("uuid", "slug", "str", "int"):
                for name, shown in names.items():
                    route = route.replace(f"<{converter}:{name}>", shown)
            yield f"/api/{route}"


def test_every_address_is_described(drawn: Any) -> None:
    assert set(drawn["paths"]) == set(_routes())


def test_every_call_is_described_whole(drawn: Any) -> None:
    operations = [call for calls in drawn["paths"].values() for call in calls.values()]
    names = [call["operationId"] for call in operations]
    assert len(names) == len(set(names))
    for call in operations:
        assert call["description"], call["operationId"]
        assert call["security"] in ([{"agentKey": []}], [{"session": []}]), call["operationId"]
        statuses = set(call["responses"])
        assert {"401", "429", "503"} <= statuses, call["operationId"]
        if "requestBody" in call:
            assert {"400", "413", "415", "422"} <= statuses, call["operationId"]


@pytest.mark.slow
def test_units_stand_in_the_schema(drawn: Any) -> None:
    bare = [
        f"{name}.{field}"
        for name, shape in drawn["components"]["schemas"].items()
        for field, kind in shape.get("properties", {}).items()
        if ("nanousd" in field or field.endswith(("_ms", "_seconds", "_size", "_at")))
        and "description" not in json.dumps(kind)
    ]
    assert bare == []


def test_the_docs_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    answer = nobody().get("/api/docs")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert text.count("<script") == text.count("<script src=") == 3
    assert "http" not in text.replace("http-equiv", "")
    assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_docs_page_works_in_a_browser_without_network(live_server: LiveServer) -> None:
    with page() as opened:
        opened.goto(f"{live_server.url}/api/docs")
        opened.wait_for_selector(".opblock", timeout=20_000)
        assert opened.locator(".opblock").count() == sum(
            len(calls) for calls in yaml.safe_load(document())["paths"].values()
        )
        opened.locator("#operations-actions-ask .opblock-summary").click()
        opened.wait_for_selector("#operations-actions-ask .responses-table", timeout=20_000)
