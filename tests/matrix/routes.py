"""Every address of the product, as the resolver knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """One address.

    Attributes:
        path: as it is written in the URLconfs, put together.
        name: what `reverse` calls it, or empty.
        view: what answers.
    """

    path: str
    name: str
    view: Any

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of what stands in the address."""
        return tuple(_VARIABLE.findall(self.path))

    def address(self, **values: Any) -> str:
        """Return the address with its variables filled in."""
        if "(?P<" in self.path:
            return f"/{self.path[:4]}no/such/address" if self.path.startswith(("api/", "aap/")) else "/registry/"
        return "/" + _VARIABLE.sub(lambda found: str(values[found[1]]), self.path)


def routes(urlconf: str | ModuleType | None = None) -> list[Route]:
    """Return the routes of a URLconf, the product's own unless another is named."""
    return [Route(path, pattern.name or "", pattern.callback) for path, pattern in _walk(get_resolver(urlconf), "")]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, path)
        else:
            yield path, pattern
