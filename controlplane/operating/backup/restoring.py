"""Restoring: the past becomes the present, and what was about to happen then must not happen now.

Whatever ends a restore early, power included, leaves what stood there before, or what nothing starts on.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from approvals.models import Grant
from approvals.operations import revoke_grant
from approvals.states import GrantState
from audit import chain
from audit.actors import Acting
from audit.operations import record, seal, verify
from audit.transitions import move
from controlplane.keyring import KEPT
from controlplane.operating.backup import archive, engines, incoming, sealed
from controlplane.operating.backup.archive import DATABASE, SECRETS, BackupError
from controlplane.operating.backup.manifest import Manifest
from costs.budgets import release
from registry.models import Command
from registry.states import CommandState

_REASON = "restored"
# A database without rows in these was never worked with, whatever tables it has.
_TELLING = ("registry_user", "registry_agent", "audit_entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore came to.

    Attributes:
        manifest: the archive's.
        kept: where what stood there before is now, empty where it is not kept.
        grants: how many unused grants were voided.
        commands: how many unacknowledged commands were expired.
        sessions: how many people were signed out.
        foreign: names of secrets that are not those of the backup.
        finding: what the verification of the trail said.
    """

    manifest: Manifest
    kept: str
    grants: int
    commands: int
    sessions: int
    foreign: Sequence[str]
    finding: chain.Finding


def restore(path: Path, *, passphrase: str | None, force: bool, by: Acting, now: datetime) -> Restored:
    """Make the installation what an archive holds.

    The caller sees to it that nothing of the installation runs.

    Args:
        path: the archive.
        passphrase: of the secrets in it; None leaves the secrets as they are.
        force: replace an installation that holds something.
        by: who asked.
        now: aware UTC.

    Raises:
        BackupError: nothing was changed, unless the text says so.
    """
    settings.HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in settings.HOME.glob(f"{archive.UNPACKED}*"):
        # A restore that was killed could not put it away.
        shutil.rmtree(left)
    with archive.opened(path, near=settings.HOME) as (manifest, files):
        _require_fitting(manifest)
        _require_empty(force=force)
        found = _secrets_of(files, passphrase) if passphrase is not None else {}
        with incoming.taken_in(files[DATABASE]):
            if engines.present() != manifest.snapshot:
                raise BackupError("What was restored is not what the manifest says.")
            call_command("migrate", interactive=False, verbosity=0)
            grants, commands, sessions = void_what_was_open(manifest=manifest, by=by, now=now)
            seal(now=now, everything=True, limit=1_000_000)
            finding = verify(by=by, now=now)
    aside = f".before-restore-{now:%Y%m%dT%H%M%SZ}"
    if found:
        _store(found, aside)
    kept = incoming.put_in_place(aside=aside)
    return Restored(
        manifest=manifest, kept=kept, grants=grants, commands=commands, sessions=sessions,
        foreign=[] if found else _foreign(manifest), finding=finding,
    )  # fmt: skip


@transaction.atomic
def void_what_was_open(*, manifest: Manifest, by: Acting, now: datetime) -> tuple[int, int, int]:
    """Void unused grants and unacknowledged commands, and sign everybody out.

    A grant that was open then may have been used since, a command obeyed, a session ended: nobody here knows. Held
    actions stay pending: people decide them anew. Grants that were redeemed stay too, and wait for their outcome.

    Args:
        manifest: of the archive that was restored.
        by: who restores.
        now: aware UTC.

    Returns:
        How many grants, commands and sessions.
    """
    grants = list(Grant.objects.filter(state=GrantState.ISSUED).select_related("agent__team"))
    for grant in grants:
        revoke_grant(grant=grant, reason=_REASON, by=by, now=now)
        if grant.approval_id is None:
            # What was handed over reserved its cost when it was allowed; nobody will report an outcome.
            release(decision_id=grant.decision_id, by=by, now=now)
    commands = list(Command.objects.open().select_related("agent__team"))
    for command in commands:
        move(command, CommandState.EXPIRED, by=by, now=now, details={"reason": _REASON})
    sessions, _ = Session.objects.all().delete()
    counts = {"grants": len(grants), "commands": len(commands), "sessions": sessions}
    record(
        kind="installation.restored",
        object_type="installation",
        object_id="installation",
        by=by,
        now=now,
        outcome=_REASON,
        details={"created_at": manifest.created_at, "head": manifest.snapshot.head_seq, "voided": counts},
    )
    return len(grants), len(commands), sessions


def _require_fitting(manifest: Manifest) -> None:
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"It is a backup of {manifest.engine}, this installation uses {connection.vendor}. Set DATABASE_URL."
        )
    known = {".".join(key) for key in MigrationLoader(None).disk_migrations}
    if unknown := sorted(set(manifest.snapshot.migrations) - known):
        raise BackupError(
            f"It was made by version {manifest.version}, which is newer or another: this one does not know "
            f"{len(unknown)} of its migrations, first {unknown[0]}."
        )


def _require_empty(*, force: bool) -> None:
    if incoming.is_unfinished():
        return
    held = engines.present().counts
    if not force and any(held.get(table) for table in _TELLING):
        raise BackupError(
            "This installation holds something. Restore into an empty one, or say --force to replace what is here."
        )


def _secrets_of(files: dict[str, Path], passphrase: str) -> dict[str, str]:
    if SECRETS not in files:
        raise BackupError("There are no secrets in this backup: it was made without --with-secrets.")
    found = sealed.decrypt(files[SECRETS].read_bytes(), passphrase)
    given = [
        name for name in KEPT if getattr(settings.ENVIRONMENT, name) or getattr(settings.ENVIRONMENT, f"{name}_file")
    ]
    if other := [name for name in given if sealed.texts(settings.KEYRING)[name] != found[name]]:
        names = ", ".join(f"CONTROLPLANE_{name.upper()}" for name in other)
        raise BackupError(f"The environment gives other secrets than the backup holds ({names}): take them away first.")
    return found


def _store(found: dict[str, str], aside: str) -> None:
    folder = settings.HOME / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in KEPT:
        target = folder / name
        if target.exists():
            if target.read_text().strip() == found[name]:
                continue
            target.rename(target.with_name(name + aside))
        draft = target.with_name(f".{name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(found[name] + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)


def _foreign(manifest: Manifest) -> list[str]:
    mine = sealed.fingerprints(settings.KEYRING)
    return [name for name, digest in manifest.fingerprints.items() if mine.get(name) != digest]
