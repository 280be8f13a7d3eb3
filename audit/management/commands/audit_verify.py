"""``manage.py audit_verify``: is the trail what was sealed?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from audit import chain, sql
from audit.actors import System
from audit.operations import verify


class Command(BaseCommand):
    """Check every link of the hash chain; exit 0 intact, 1 tampered, 2 gap, 3 unreadable."""

    help = "Check the audit trail, or an export of it. Exit code: intact 0, tampered 1, gap 2, unreadable 3."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--file", type=Path, help="check this export instead of the database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the finding and exit with its code."""
        path: Path | None = options["file"]
        if path is None:
            finding = verify(by=System("audit_verify"), now=sql.now())
        else:
            try:
                with path.open(encoding="utf-8") as lines:
                    finding = chain.check(chain.exported_links(lines))
            except (OSError, UnicodeDecodeError) as error:
                finding = chain.Finding(chain.Verdict.UNREADABLE, 0, str(error))
        where = "sealed to" if finding.verdict is chain.Verdict.INTACT else "first bad seq"
        self.stdout.write(f"{finding.verdict}: {where} {finding.seq}. {finding.detail}".rstrip())
        sys.exit(finding.verdict.exit_code)
