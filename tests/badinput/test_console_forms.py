"""The console's addresses and forms with what nobody means to send: never a 500, and nothing of it is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from tests.badinput.refusing import TRIED, contents
from tests.controlplane.api.callers import TOKEN, person
from tests.controlplane.api.scene import Scene

pytestmark = pytest.mark.slow

_VARIABLE = re.compile(r"<(?:\w+:)?\w+>")
_LAX = re.compile(r"\(\?P<\w+>[^)]*\)")
_NAMES = ("1", "a%00b", "%FF", "no-such", "9" * 40, "_5B_", "%0A", "00000000-0000-7000-8000-000000000000")
_TEXTS = ("a\x00b", "\ud800", "x" * 20_000, "", "9" * 60, "{\u202e")
# Fields that forms of the console have had; those of a page's own form are added.
_FIELDS = (
    "reason",
    "comment",
    "digest",
    "document",
    "payload",
    "q",
    "o",
    "action",
    "_selected_action",
    "username",
    "password",
)
# They answer 503 where a part of the installation is away, as the broker is here.
_PROBES = frozenset({"healthz", "readyz", "metrics"})
_FIELD = re.compile(rb'<(?:input|textarea|select)[^>]*\bname="([^"]+)"')


def _addresses(patterns: Any = None, *, prefix: str = "") -> Iterator[str]:
    """Yield the console's and the accounts' addresses, their variables as they stand."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        where = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from _addresses(pattern.url_patterns, prefix=where)
        elif not where.startswith("api/") and "logout" not in where and where not in _PROBES:
            yield "/" + _LAX.sub("<any>", where).strip("^$")


def _filled(address: str) -> list[str]:
    if not _VARIABLE.search(address):
        return [address]
    return [_VARIABLE.sub(name, address) for name in _NAMES]


ADDRESSES = sorted(set(_addresses()))


def _browser(scene: Scene) -> Client:
    return person(scene.world.admin).client


def _sent(client: Client, method: str, address: str, data: dict[str, Any]) -> Any:
    TRIED[f"console {method}"] += 1
    if method == "GET":
        return client.get(address, data)
    form = urlencode({**data, "csrfmiddlewaretoken": TOKEN})
    return client.post(address, form, content_type="application/x-www-form-urlencoded")


def test_the_console_has_addresses() -> None:
    assert len(ADDRESSES) > 60


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_never_breaks_on_what_it_is_sent(scene: Scene, address: str) -> None:
    client = _browser(scene)
    fields = list(_FIELDS)
    for where in _filled(address):
        opened = _sent(client, "GET", where, {})
        assert opened.status_code < 500, where
        fields += [name.decode() for name in _FIELD.findall(opened.content)] if not opened.streaming else []
    fields = [name for name in dict.fromkeys(fields) if name != "csrfmiddlewaretoken"]
    first = _filled(address)[0]
    for text in _TEXTS:
        data = dict.fromkeys(fields, text)
        for method in ("GET", "POST"):
            # A browser would send a lone surrogate as U+FFFD; whoever is none sends its bytes.
            sent = {name: value.encode("utf-8", "surrogatepass") for name, value in data.items()}
            if method == "GET":
                sent = {name: value[:4_000] for name, value in sent.items()}
            answer = _sent(client, method, first, sent)
            assert answer.status_code < 500, (method, first, text[:20], answer.content[:500])


@pytest.mark.parametrize("address", [each for each in ADDRESSES if "<" in each])
def test_a_post_to_what_is_not_there_never_breaks(scene: Scene, address: str) -> None:
    client = _browser(scene)
    before = contents()
    # Of many tables the row 1 is there.
    for where in (_VARIABLE.sub(name, address) for name in _NAMES if name != "1"):
        answer = _sent(client, "POST", where, {"reason": "r"})
        assert answer.status_code < 500, where
    assert contents() == before


@pytest.mark.parametrize(
    "spelling", ["+{}", "0{}", "%20{}", "{}%20", "%0A{}", "0_{}", "-0{}", "%D9%A0{}", "%EF%BC%90{}"]
)
def test_an_object_has_one_address(scene: Scene, spelling: str) -> None:
    client = _browser(scene)
    key = scene.world.agent.pk
    assert client.get(f"/registry/agent/{key}/kill/").status_code == 200
    before = contents()
    other = spelling.format(key)
    assert _sent(client, "GET", f"/registry/agent/{other}/", {}).status_code == 404
    assert _sent(client, "POST", f"/registry/agent/{other}/kill/", {"reason": "r"}).status_code == 404
    assert contents() == before
