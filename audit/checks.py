"""System checks of the trail."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.db import connection

from audit import triggers


@register("database")
def triggers_stand(**_: Any) -> list[CheckMessage]:
    """Look for the triggers that refuse changes of the trail."""
    if not set(triggers.TABLES) <= set(connection.introspection.table_names()):
        return []
    gone = triggers.missing()
    if not gone:
        return []
    return [
        Error(
            f"The audit trail can be changed: triggers missing: {', '.join(gone)}.",
            hint="Run manage.py migrate, which installs them.",
            id="audit.E001",
        )
    ]
