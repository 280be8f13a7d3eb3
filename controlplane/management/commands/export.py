"""``manage.py export``: the installation as a document."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit import sql
from controlplane.apply import export_document
from registry.management.support import acting_person, refusals_as_errors


class Command(BaseCommand):
    """Write the YAML document that ``apply`` reads."""

    help = "Write the installation's configuration to standard output, in the form that apply reads."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--by", required=True, metavar="USER", help="an administrator or auditor")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the document."""
        by = acting_person(options["by"])
        with refusals_as_errors():
            self.stdout.write(export_document(by=by, now=sql.now()), ending="")
