"""Every text of a JSON value, one after the other, replaced."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]
_DIGITS = re.compile(r"[0-9a-f]{6,}|[0-9]+")


def texts(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where texts stand."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from texts(item, (*path, at))


def shape(path: Path) -> str:
    """Return a path without the numbers in it: two entries of a list are alike."""
    return "/".join("*" if isinstance(step, int) else _DIGITS.sub("#", step) for step in path)


def replaced(value: Any, path: Path, change: Callable[[str], str]) -> Any:
    """Return a copy whose text at a path is changed."""
    made = copy.deepcopy(value)
    if not path:
        return change(made)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change(place[path[-1]])
    return made


def renamed(value: Any, path: Path, name: str) -> Any:
    """Return a copy in which what stands at a path has another name."""
    made = copy.deepcopy(value)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[name] = place.pop(path[-1])
    return made
