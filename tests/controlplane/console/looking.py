"""Asking for pages as whoever each is for."""

from __future__ import annotations

from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.controlplane.console.everywhere import Place
from tests.controlplane.console.ways_in import Way, enter


class Looker:
    """Asks for one page after the other; everybody logs in once, but whoever proves who they are does it each time."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, Way], Client] = {}

    def client(self, place: Place) -> Client:
        """Return the client of whoever a page is for."""
        key = (place.who, place.way)
        if place.way is Way.PROVEN:
            # A proof is worth minutes, and some of these tests take as long.
            return enter(*key)
        if key not in self._clients:
            self._clients[key] = enter(*key)
        return self._clients[key]

    def closed(self, place: Place) -> str:
        """Say what came in the place of the page: a status or a type; empty where it came."""
        return self._ask(place)[0]

    def queries(self, place: Place) -> int:
        """Count what a page asks the database.

        Raises:
            AssertionError: it is not shown to whoever it is for.
        """
        closed, number = self._ask(place)
        assert not closed, f"{place} answered {closed}"
        return number

    def _ask(self, place: Place) -> tuple[str, int]:
        client = self.client(place)
        # Only so many are kept, and those of earlier pages would push out this one's.
        reset_queries()
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(place.url)
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code != 200:
            return str(answer.status_code), len(queries)
        return ("" if kind.startswith("text/html") else kind), len(queries)
