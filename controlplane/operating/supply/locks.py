"""Reading the lock files: every package at one version, with the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]+?))?\s*\\?$"
)
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})\s*\\?$")


class BadLock(Exception):
    """A line of a lock file is neither an exact version nor a hash. Its text names file and line."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of a lock.

    Attributes:
        name: normalised (PEP 503).
        version: the one version.
        marker: environment marker under which it is installed, empty where always.
        hashes: SHA-256, hex, of each file that may be installed.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def normalised(name: str) -> str:
    """Return a package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> list[Pinned]:
    """Return the packages of a lock, sorted by name.

    Raises:
        BadLock: something in it is not pinned, or has no hash.
    """
    found = [
        Pinned(normalised(pin["name"]), pin["version"], pin["marker"] or "", tuple(hashes))
        for pin, hashes in _pins(path)
    ]
    if bare := [entry.name for entry in found if not entry.hashes]:
        raise BadLock(f"{path.name}: no hash for {', '.join(bare)}")
    return sorted(found, key=lambda entry: (entry.name, entry.version))


def _pins(path: Path) -> Iterator[tuple[re.Match[str], list[str]]]:
    pin: re.Match[str] | None = None
    hashes: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if found := _HASH.match(words):
            hashes.append(found["digest"])
        elif found := _PIN.match(words):
            if pin is not None:
                yield pin, hashes
            pin, hashes = found, []
        else:
            raise BadLock(f"{path.name}:{number}: {words}")
    if pin is not None:
        yield pin, hashes
