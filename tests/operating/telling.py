"""What another process says of its installation; `tests.operating.elsewhere` starts it, with Django loaded."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection

from approvals.models import ApprovalRequest, Grant
from audit import sql
from audit.models import Entry
from controlplane import gateway
from controlplane.operating.backup import incoming
from registry.authentication import authenticate
from registry.models import Command
from tests.approvals.steps import MAIL
from tests.operating.stepping import walk


def state() -> Any:
    """Return states of what a restore touches, and the kinds of the last entries."""
    return {
        "grants": sorted(Grant.objects.values_list("state", flat=True)),
        "approvals": sorted(ApprovalRequest.objects.values_list("state", flat=True)),
        "commands": sorted(Command.objects.values_list("state", flat=True)),
        "sessions": Session.objects.count(),
        "kinds": list(Entry.objects.order_by("-id").values_list("kind", flat=True)[:10]),
    }


def standing() -> Any:
    """Return whether a restore was left unfinished, and the state where it was not.

    What a killed process was connected by ends a moment after it.
    """
    while sql.is_postgresql() and _others():
        time.sleep(0.02)
    unfinished = incoming.is_unfinished()
    return {"unfinished": unfinished, "state": None if unfinished else state()}


def _others() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0]) - 1


def ask(key: str) -> Any:
    """Ask with a key of old."""
    principal = authenticate(key, now=sql.now())
    if principal is None:
        return "unknown key"
    return gateway.ask(principal=principal, key="asked elsewhere", raw=json.dumps(MAIL).encode()).effect


def main() -> None:
    """Answer ``state``, ``standing``, ``step`` or ``ask KEY``."""
    answers = {"state": state, "standing": standing, "step": walk, "ask": lambda: ask(sys.argv[2])}
    print(json.dumps(answers[sys.argv[1]]()))
