"""What an archive says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
GENESIS_HEAD = (0, "0" * 64)

Query = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of a database.

    Attributes:
        migrations: applied ones as ``app.name``, sorted.
        counts: rows by table.
        head_seq: number of the last sealed trail entry, 0 where there is none.
        head_hash: its hash.
    """

    migrations: list[str]
    counts: dict[str, int]
    head_seq: int
    head_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The archive's first member.

    Attributes:
        version: the product's.
        engine: ``sqlite`` or ``postgresql``.
        created_at: when the snapshot was taken, ISO 8601, UTC.
        snapshot: what the database must come out as.
        files: SHA-256, hex, of each other member.
        secrets: whether the installation's secrets are in it, encrypted.
        fingerprints: short keyed digests of the secrets, by which a restore sees whether they are the same.
        format: of the archive.
    """

    version: str
    engine: str
    created_at: str
    snapshot: Snapshot
    files: dict[str, str]
    secrets: bool
    fingerprints: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def as_bytes(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()


def read(raw: bytes) -> Manifest:
    """Return a manifest from its JSON.

    Raises:
        ValueError, KeyError, TypeError: it is none, or one of another format.
    """
    found = json.loads(raw)
    if found["format"] != FORMAT:
        raise ValueError(f"it has format {found['format']}; this version reads format {FORMAT}")
    return Manifest(**{**found, "snapshot": Snapshot(**found["snapshot"])})


def take_snapshot(query: Query, tables: Iterable[str]) -> Snapshot:
    """Describe a database at the moment that the queries see.

    Args:
        query: runs one statement and returns its rows.
        tables: every table of the installation.
    """
    names = sorted(tables)
    # The names come from the database's own catalogue.
    counts = {name: int(query(f'SELECT COUNT(*) FROM "{name}"')[0][0]) for name in names}  # noqa: S608
    head = query("SELECT seq, hash FROM audit_seal ORDER BY seq DESC LIMIT 1") if "audit_seal" in counts else []
    seq, digest = head[0] if head else GENESIS_HEAD
    applied = query("SELECT app, name FROM django_migrations") if "django_migrations" in counts else []
    return Snapshot(
        migrations=sorted(f"{app}.{name}" for app, name in applied),
        counts=counts,
        head_seq=int(seq),
        head_hash=str(digest),
    )
