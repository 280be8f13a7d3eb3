"""Making a backup."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from audit.actors import Acting
from audit.operations import record
from controlplane import __version__
from controlplane.operating.backup import archive, engines, sealed
from controlplane.operating.backup.archive import DATABASE, SECRETS, BackupError
from controlplane.operating.backup.incoming import require_finished
from controlplane.operating.backup.manifest import Manifest


def require_content(manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Look whether the database in an archive holds what the manifest says; a dump of PostgreSQL cannot be looked into.

    Raises:
        BackupError: it does not.
    """
    found = engines.look_into(manifest.engine, files[DATABASE])
    if found is not None and found != manifest.snapshot:
        raise BackupError("The database in it does not hold what its manifest says.")


def make(target: Path, *, passphrase: str | None, by: Acting, now: datetime) -> Manifest:
    """Write a backup of the whole database, while the installation goes on working.

    Args:
        target: the archive; never replaced.
        passphrase: where given, the installation's secrets go into it, encrypted with it.
        by: who asked.
        now: aware UTC.

    Raises:
        BackupError: it cannot be done; nothing is left behind.
    """
    if target.exists():
        raise BackupError(f"{target} exists; it is not overwritten.")
    if not target.parent.is_dir():
        raise BackupError(f"There is no folder {target.parent}.")
    require_finished()
    # Beside the target, where the space is: the copy is as large as the database.
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        members = {DATABASE: Path(folder) / DATABASE}
        if passphrase is not None:
            members[SECRETS] = Path(folder) / SECRETS
            members[SECRETS].write_bytes(sealed.encrypt(settings.KEYRING, passphrase))
        snapshot = engines.copy_out(members[DATABASE])
        manifest = Manifest(
            version=__version__,
            engine=connection.vendor,
            created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            snapshot=snapshot,
            files={name: archive.digest_of(path) for name, path in members.items()},
            secrets=passphrase is not None,
            fingerprints=sealed.fingerprints(settings.KEYRING),
        )
        archive.write(target, manifest, members)
    record(
        kind="installation.backed_up",
        object_type="installation",
        object_id="installation",
        by=by,
        now=now,
        outcome="backed_up",
        details={"head": snapshot.head_seq, "secrets": manifest.secrets, "database": manifest.files[DATABASE]},
    )
    return manifest
