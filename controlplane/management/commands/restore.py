"""``manage.py restore``: an installation from an archive, with nothing open that was open then."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from audit import sql
from audit.actors import System
from audit.chain import Verdict
from controlplane.management.passphrases import add_passphrase, read_passphrase
from controlplane.operating import backup
from controlplane.supervisor import home


class Command(BaseCommand):
    """Restore into an empty installation; void open grants and commands; verify the trail."""

    help = "Restore ARCHIVE into an empty installation that does not run. Voids what was open when it was made."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("archive", type=Path)
        parser.add_argument(
            "--force",
            action="store_true",
            help="replace an installation that holds something: an SQLite file is kept beside the new one, a "
            "PostgreSQL database is EMPTIED",
        )
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="take the secrets, too; needs the passphrase they were made with",
        )
        add_passphrase(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Restore and tell what came of it.

        Raises:
            CommandError: it cannot be done, or the trail is not intact.
        """
        try:
            phrase = read_passphrase(options, sys.stdin) if options["with_secrets"] else None
            with home.occupy(settings.HOME):
                done = backup.restore(
                    options["archive"].expanduser().absolute(), passphrase=phrase, force=options["force"],
                    by=System("restore"), now=sql.now(),
                )  # fmt: skip
        except (backup.BackupError, home.Occupied) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}") from error
        self._tell(done)
        if done.finding.verdict is not Verdict.INTACT:
            raise CommandError(f"The trail is {done.finding.verdict}: {done.finding.detail}")

    def _tell(self, done: backup.Restored) -> None:
        snapshot = done.manifest.snapshot
        self.stdout.write(f"restored: made {done.manifest.created_at} by version {done.manifest.version}")
        for table, count in snapshot.counts.items():
            if count:
                self.stdout.write(f"  {table}: {count}")
        self.stdout.write(f"voided: {done.grants} open grants, {done.commands} commands, {done.sessions} sessions")
        self.stdout.write(
            "Keys, accounts, pauses and kill switches are as they were then: docs/deploy/backup.md says what to do."
        )
        if done.kept:
            self.stdout.write(f"what was here before: {done.kept}")
        for name in done.foreign:
            self.stdout.write(f"WARNING: this installation's {name} is not that of the backup. {_LOST[name]}")
        self.stdout.write(f"trail: {done.finding.verdict}, sealed to {done.finding.seq}")


_LOST = {
    "secret_key": "Links that were sent out no longer work.",
    "key_peppers": "No agent's key will work: set CONTROLPLANE_KEY_PEPPERS to the old ones, or issue new keys.",
    "encryption_keys": "Secrets kept in the database cannot be read: set CONTROLPLANE_ENCRYPTION_KEYS to the old ones.",
}
