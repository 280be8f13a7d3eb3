"""Where a secret could have been kept, as one text each: the database, the log, the pages."""

from __future__ import annotations

import base64
import html
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit

from django.apps import apps
from django.db import connection
from django.test import Client

from tests.secrets.canaries import Canary


def database() -> dict[str, str]:
    """Return what every column of every table holds: history, trail, sessions and all."""
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta
            if not table.managed or table.proxy:
                continue
            for field in table.concrete_fields:
                cursor.execute(f'SELECT "{field.column}" FROM "{table.db_table}"')
                found[f"{table.db_table}.{field.column}"] = "\n".join(_text(row[0]) for row in cursor)
    return found


def _text(value: Any) -> str:
    if isinstance(value, memoryview | bytes):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


@cache
def forms_of(canary: Canary) -> tuple[str, ...]:
    """Return how a secret may be written: plain, in a URL, in HTML, in base64."""
    plain = canary.core
    coded = {base64.b64encode(plain.encode()[skip:]).decode().rstrip("=")[2:-2] for skip in range(3)}
    return tuple({plain, quote(plain), html.escape(plain), *coded})


def found_in(text: str, canaries: Iterable[Canary]) -> list[str]:
    """Return the names of the canaries that a text holds."""
    return [canary.name for canary in canaries if any(form in text for form in forms_of(canary))]


@contextmanager
def logs() -> Iterator[io.StringIO]:
    """Collect what the process logs, as it is written: by the product's own handler and formatter."""
    written = io.StringIO()
    (ours,) = [each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler]
    before = ours.setStream(written)
    try:
        yield written
    finally:
        ours.setStream(before)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep where the page leads."""
        for name, value in attrs:
            if name in {"href", "data-url", "data-dialog", "hx-get"} and value:
                self.found.append(value)


def pages(client: Client, start: str = "/", *, most: int = 400) -> dict[str, str]:
    """Walk the console as somebody: every page that a link leads to, once.

    Args:
        client: with the person's session.
        start: where to begin.
        most: how many pages at most.
    """
    seen: dict[str, str] = {}
    waiting = [start]
    while waiting and len(seen) < most:
        address = waiting.pop(0)
        where = urlsplit(address)
        if where.netloc or where.scheme or "logout" in where.path or where.path.startswith("/static/"):
            continue
        if address in seen or sum(urlsplit(known).path == where.path for known in seen) >= 4:
            continue
        answer = client.get(address)
        seen[address] = f"{dict(answer.headers)} {answer.content.decode('utf-8', 'replace')}"
        if answer.status_code in {301, 302}:
            waiting.append(answer["Location"])
        elif "html" in answer.headers.get("Content-Type", ""):
            parser = _Links()
            parser.feed(answer.content.decode())
            waiting += [
                link if link.startswith("/") else where.path + link for link in parser.found if link[:1] in "/?"
            ]
    return seen
