"""``manage.py sbom``: the bill of materials, on standard output."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from controlplane.bootstrap import BASE_LOCK
from controlplane.operating.supply import locks, sbom


class Command(BaseCommand):
    """Prints CycloneDX JSON."""

    help = "Print a software bill of materials (CycloneDX 1.6, JSON) of what requirements.lock pins."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print it."""
        bill = sbom.bill(locks.read(settings.BASE_DIR / BASE_LOCK))
        self.stdout.write(json.dumps(bill, indent=2, sort_keys=True))
