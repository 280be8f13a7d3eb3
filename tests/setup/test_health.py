"""`/healthz` says that the process lives; `/readyz` says what it could not work without."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from controlplane import health


def test_healthz_asks_nobody(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_readyz_names_the_part_that_is_away(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    response = client.get("/readyz")
    parts = response.json()["parts"]
    assert response.status_code == 503
    assert parts["broker"]["state"] == "unavailable"
    assert parts["database"]["state"] == parts["migrations"]["state"] == "ok"
    assert "nowhere" not in response.content.decode()


@pytest.mark.django_db
def test_readyz_with_every_part_is_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("broker", "beat", "worker", "lane", "sender"):
        monkeypatch.delitem(health.PROBES, part)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["ready"]) == (200, True)


@pytest.mark.django_db
def test_readyz_shows_the_reason_of_a_probe(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lagging() -> None:
        raise health.NotReady("31 s behind")

    monkeypatch.setitem(health.PROBES, "seal", lagging)
    assert client.get("/readyz").json()["parts"]["seal"]["state"] == "31 s behind"


def test_health_refuses_writing(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
