"""``manage.py backup``: the whole database into one file, while everything goes on."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from audit import sql
from audit.actors import System
from controlplane.management.passphrases import add_passphrase, read_passphrase
from controlplane.operating import backup


class Command(BaseCommand):
    """Write an archive, or check one."""

    help = "Back the database up into ARCHIVE, or check one with --verify. Safe while the installation runs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("archive", type=Path, help="file to write; an existing one is never overwritten")
        parser.add_argument("--verify", action="store_true", help="write nothing; check that the archive is whole")
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="put the installation's secrets into it, encrypted: without them no agent's key works elsewhere",
        )
        add_passphrase(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Back up or check.

        Raises:
            CommandError: it cannot be done, or the archive is not whole.
        """
        target: Path = options["archive"].expanduser().absolute()
        try:
            if options["verify"]:
                with backup.opened(target) as (manifest, files):
                    backup.require_content(manifest, files)
                self.stdout.write(f"{target} is whole.")
            else:
                phrase = read_passphrase(options, sys.stdin) if options["with_secrets"] else None
                manifest = backup.make(target, passphrase=phrase, by=System("backup"), now=sql.now())
                self.stdout.write(f"{target} written, {target.stat().st_size} bytes.")
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}") from error
        snapshot = manifest.snapshot
        self.stdout.write(f"made: {manifest.created_at} by version {manifest.version} from {manifest.engine}")
        self.stdout.write(f"rows: {sum(snapshot.counts.values())} in {len(snapshot.counts)} tables")
        self.stdout.write(f"trail: sealed to {snapshot.head_seq}, {snapshot.head_hash}")
        self.stdout.write(f"secrets: {'inside, encrypted' if manifest.secrets else 'not inside; keep them elsewhere'}")
