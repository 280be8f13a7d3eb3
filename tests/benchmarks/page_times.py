"""The measured half of `tests.benchmarks.pages`: the scene, the clients, the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse

from registry.models import User
from tests.benchmarks.page_rows import fill
from tests.controlplane.console.everywhere import Place, places
from tests.controlplane.console.full import make_full_scene
from tests.world import World

_BACKEND = "django.contrib.auth.backends.ModelBackend"
# Further views of the long lists: the widest tab, a search, a filter.
_MORE = {
    "admin:runs_run_changelist": ("show=failed", "agent=job-applier", "q=job+499", "status__exact=running"),
    "admin:policies_decision_changelist": ("effect__exact=deny", "since=24h", "agent=job-applier"),
    "admin:approvals_approvalrequest_changelist": ("show=open", "show=decided", "show=all"),
    "admin:audit_entry_changelist": ("since=24h", "agent=job-applier"),
    "admin:costs_usage_changelist": ("agent=job-applier", "since=24h"),
}


def engine() -> str:
    """Name the database."""
    return connection.vendor


def build(runs: int) -> tuple[World, list[Place]]:
    """Build the scene and pour the rows in; the pages of objects show those of the scene, which are whole."""
    setup_test_environment(debug=False)
    scene = make_full_scene()
    wanted = list(_wanted())
    fill(scene, runs)
    return scene.world, wanted


def ask(world: World, wanted: list[Place], repeat: int) -> Iterator[tuple[str, str, list[float], int, int]]:
    """Ask for every page and yield role, name, milliseconds, queries, and bytes."""
    people: dict[str, User] = {
        "admin": world.admin, "operator": world.operator, "owner": world.owner, "reviewer": world.reviewer,
        "auditor": world.auditor,
    }  # fmt: skip
    for role, person in people.items():
        client = Client()
        client.force_login(person, backend=_BACKEND)
        client.get(reverse("admin:home"))
        for place in wanted:
            answer = client.get(place.url)
            if answer.status_code != 200 or not answer.headers.get("Content-Type", "").startswith("text/html"):
                continue
            times = []
            for _ in range(repeat):
                began = time.perf_counter()
                client.get(place.url)
                times.append((time.perf_counter() - began) * 1000)
            yield role, place.name.removeprefix("admin:"), times, _queries(client, place), len(answer.content)


def _wanted() -> Iterator[Place]:
    for place in places():
        yield place
        for query in _MORE.get(place.name, ()):
            yield Place(f"{place.name}?{query}", f"{place.url}?{query}")


def _queries(client: Client, place: Place) -> int:
    settings.DEBUG = True
    try:
        reset_queries()
        client.get(place.url)
        return len(connection.queries)
    finally:
        settings.DEBUG = False
