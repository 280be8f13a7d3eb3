"""Every page of the console, from the resolver: what is added there is looked at without being listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.http import urlencode

from tests.controlplane.console.asked import ADMIN, ASKED, Asked
from tests.controlplane.console.ways_in import Way

# Not pages: they answer machines, take only POST, or are Django's own plumbing.
NOT_PAGES = re.compile(r"(api/|aap/|healthz|readyz|metrics|events$|undo/)|.*(jsi18n|autocomplete)/")
# Addresses that show no page of their own, each with its reason; whatever else shows nothing fails the tests.
EXEMPT: Final[Mapping[str, str]] = {
    "openid_connect_start": "takes a POST and leads to the identity provider",
    "openid_connect_callback": "takes the identity provider's answer and leads on; without a provider it is missing",
    "mfa_login_webauthn": "brings a challenge to the script of the log-in page, in JSON",
    "admin:login": "the address of account_login, which stands before it",
    "admin:logout": "the address of account_logout, which stands before it",
    "admin:view_on_site": "Django's own; no model has an address besides its page",
    "admin:app_list": "leads home: the sidebar is the map",
}
_VARIABLES = re.compile(r"<(?:\w+:)?(\w+)>")

Patterns = Sequence[URLPattern | URLResolver]


@dataclass(frozen=True, slots=True)
class Place:
    """One page.

    Attributes:
        name: of the address, with its namespace.
        url: an address of it that the full scene serves.
        who: user name of the person to whom it shows its real form.
        way: how far that person is in.
    """

    name: str
    url: str
    who: str = ADMIN
    way: Way = Way.IN


def patterns(found: Patterns | None = None) -> Iterator[tuple[str, str]]:
    """Yield name and route of every address that may be a page; one without a name goes by its route.

    Args:
        found: where to look; the whole product where left out.
    """
    yield from _walk(get_resolver().url_patterns if found is None else found, "", "")


def _walk(found: Patterns, namespace: str, route: str) -> Iterator[tuple[str, str]]:
    for each in found:
        here = route + str(each.pattern)
        if NOT_PAGES.match(here):
            continue
        if isinstance(each, URLResolver):
            inner = ":".join(part for part in (namespace, each.namespace or "") if part)
            yield from _walk(each.url_patterns, inner, here)
        else:
            name = each.name or here
            yield (f"{namespace}:{name}" if namespace else name), here


def places() -> list[Place]:
    """Return every page with an address that shows something, of the rows that are there now."""
    found = {name: _place(name, route) for name, route in patterns()}
    return [place for place in found.values() if place is not None]


def unreachable(found: Patterns | None = None) -> set[str]:
    """Return the names of addresses for which there is no row to show, or no page at all.

    Args:
        found: as for `patterns`.
    """
    return {name for name, route in patterns(found) if _place(name, route) is None}


def _place(name: str, route: str) -> Place | None:
    if name in EXEMPT:
        return None
    asked = ASKED.get(name, Asked())
    wanted = _VARIABLES.findall(route)
    row = None
    if wanted:
        row = asked.row() if asked.row else _first(name) if wanted == ["object_id"] else None
        if row is None or len(wanted) > 1:
            return None
    elif "(?P<" in route:
        return None
    query = asked.query(row)
    if query is None:
        return None
    url = reverse(name, kwargs=dict.fromkeys(wanted, row.pk if row is not None else None))
    return Place(name, f"{url}?{urlencode(query)}" if query else url, asked.who, asked.way)


def _first(name: str) -> Any:
    """Return the first row of the model whose page a name is: ``admin:runs_run_change``."""
    app, _, rest = name.removeprefix("admin:").partition("_")
    model = apps.all_models[app].get(rest.partition("_")[0])
    return None if model is None else model._default_manager.order_by("pk").first()
