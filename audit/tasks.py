"""Scheduled work of the trail."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from audit import sql
from audit.actors import OnBehalf
from audit.operations import seal, verify


@shared_task(name="audit.seal")
def seal_entries(**_: Any) -> int:
    """Seal what was written since the last time."""
    return seal(now=sql.now())


@shared_task(name="audit.seal_everything")
def seal_everything(**_: Any) -> int:
    """Look through the whole trail for entries that the frequent sealing could have missed."""
    return seal(now=sql.now(), everything=True, limit=100_000)


@shared_task(name="audit.verify_trail")
def verify_trail(person: str, **_: Any) -> str:
    """Check the whole trail for a person who asked for it in the console."""
    return str(verify(by=OnBehalf("audit.verify_trail", person), now=sql.now()).verdict)
