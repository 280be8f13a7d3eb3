"""``manage.py audit_export``: the sealed trail as JSON lines, to be kept elsewhere."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import chain, sql
from audit.actors import System
from audit.operations import record


class Command(BaseCommand):
    """Write the sealed trail to a file that ``audit_verify --file`` checks offline."""

    help = "Write the sealed audit trail to FILE, which must not exist yet, as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write one line per link and record that the trail was exported.

        Raises:
            CommandError: the file exists, or cannot be written.
        """
        count = 0
        try:
            # An older export is evidence: it is never overwritten. Only its owner reads what agents did.
            descriptor = os.open(options["file"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                for link in chain.stored_links():
                    row = {"seq": link.seq, "prev_hash": link.prev_hash, "hash": link.hash, "entry": link.entry}
                    out.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
                    count += 1
        except FileExistsError as error:
            raise CommandError(f"{options['file']} exists; it is not overwritten.") from error
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}.") from error
        record(
            kind="audit.exported",
            object_type="trail",
            object_id="trail",
            by=System("audit_export"),
            now=sql.now(),
            details={"entries": count},
        )
        self.stdout.write(f"{count} entries written.")
