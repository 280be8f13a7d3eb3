"""Under which licences the product's packages come, and whether we may ship with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from controlplane.operating.supply.locks import Pinned

# Licences that leave the product's own as it is. LGPL and MPL: used as unchanged libraries.
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT",
        "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
# What older packages call them, in words or by classifier.
_WORDS = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
}
_OPERATORS = re.compile(r"\s+(?:AND|OR)\s+|\s*/\s*|[()]")


@dataclass(frozen=True, slots=True)
class Licensed:
    """A package of the lock and its licence.

    Attributes:
        name: of the package.
        version: of the package.
        licence: SPDX expression; the package's own words where they are none; empty where it is not installed here.
        marker: environment marker under which it is installed.
    """

    name: str
    version: str
    licence: str
    marker: str

    @property
    def allowed(self) -> bool:
        """Whether every part of the expression is on the list. A choice (``OR``) is held to all of its sides, too."""
        parts = [part for part in _OPERATORS.split(self.licence) if part.strip()]
        return bool(parts) and all(part.strip() in ALLOWED for part in parts)


def licences(packages: Iterable[Pinned]) -> list[Licensed]:
    """Return each package with its licence, as its installed metadata says."""
    return [Licensed(entry.name, entry.version, _licence_of(entry.name), entry.marker) for entry in packages]


def page(packages: Iterable[Licensed]) -> str:
    """Return the page of licences.

    Packages that only other machines need are named without one, so that every machine draws the same page.
    """
    lines = [
        "# Licences",
        "",
        "The packages that an installation holds besides the product itself (Apache-2.0), as `requirements.lock` pins",
        "them. This page is drawn by `manage.py licences`, which refuses what is not on the list of licences.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    lines += [
        f"| {entry.name} | {entry.version} | {'only where ' + entry.marker if entry.marker else entry.licence} |"
        for entry in packages
    ]
    return "\n".join(lines) + "\n"


def _licence_of(name: str) -> str:
    try:
        told: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if expression := told.get("License-Expression"):
        return str(expression)
    classified = [
        entry.rpartition(" :: ")[2] for entry in told.get_all("Classifier") or [] if entry.startswith("License :: ")
    ]
    worded = told.get("License") or ""
    # Some put the whole text there.
    candidates = [*classified, *([worded] if "\n" not in worded else [])]
    spoken = [
        " OR ".join(_WORDS.get(side.strip().lower(), side.strip()) for side in words.split(" OR "))
        for words in candidates
        if words != "OSI Approved"
    ]
    known = [words for words in spoken if words in ALLOWED]
    return (known or spoken or [""])[0]
