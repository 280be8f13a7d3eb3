"""The figures of reviewers and queues over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import User
from tests.approvals.steps import hold_mail, say
from tests.journeys.installation import Installation, build

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


def _client(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_figures_are_read_and_bounded_by_the_period(installation: Installation) -> None:
    say(hold_mail(installation), "talent-reviewer")
    hold_mail(installation, "open")
    client = _client("admin")
    rows = client.get("/api/v1/reviewers").json()["results"]
    assert [(row["reviewer"], row["decided"], row["waiting"]) for row in rows] == [
        ("second-reviewer", 0, 1), ("talent-lead", 0, 1), ("talent-reviewer", 1, 1),
    ]  # fmt: skip
    for first in ("reviewers", "queue-loads"):
        assert client.get(f"/api/v1/{first}?until=0001-01-01T00:00:00Z").status_code == 200
    early = client.get("/api/v1/reviewers?until=2020-01-01T00:00:00Z&reviewer=talent-reviewer").json()["results"]
    assert [(row["decided"], row["mean_ms"]) for row in early] == [(0, None)]
    paged = client.get("/api/v1/reviewers?page_size=1&ordering=-username").json()
    assert paged["results"][0]["reviewer"] == "talent-reviewer"
    assert client.get(paged["next"]).json()["results"][0]["reviewer"] == "talent-lead"
    queue = client.get("/api/v1/queue-loads?queue=outreach").json()["results"][0]
    assert (queue["waiting"], queue["decided"], queue["capacity"]) == (1, 1, 0)


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-01-01T00:00:00", "nobody=x", "ordering=decided"])
def test_what_is_not_understood_is_refused(installation: Installation, query: str) -> None:
    assert _client("admin").get(f"/api/v1/reviewers?{query}").status_code == 400


def test_reviewers_do_not_read_each_others_figures(installation: Installation) -> None:
    for path in ("reviewers", "queue-loads"):
        assert _client("talent-reviewer").get(f"/api/v1/{path}").status_code == 403
