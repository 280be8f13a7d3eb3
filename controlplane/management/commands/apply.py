"""``manage.py apply``: bring the installation in line with a document."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import sql
from controlplane.apply import DocumentRefused, apply_document
from registry.management.support import acting_person, refusals_as_errors


class Command(BaseCommand):
    """Apply a YAML document and print what changed."""

    help = "Apply a YAML document: + added, ~ changed, = as it was. All of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="the document; - reads standard input")
        parser.add_argument("--by", required=True, metavar="USER", help="the person who applies it")
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, apply, print."""
        name = options["file"]
        text = _read(name)
        by = acting_person(options["by"])
        with refusals_as_errors():
            try:
                plan = apply_document(text=text, by=by, now=sql.now(), dry_run=options["dry_run"])
            except DocumentRefused as error:
                shown = "standard input" if name == "-" else name
                lines = [f"{shown}:{place.line}: {place}" for place in error.located]
                raise CommandError("\n".join(["nothing was changed", *lines])) from error
        self.stdout.write(str(plan))


def _read(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name}: not UTF-8") from error
