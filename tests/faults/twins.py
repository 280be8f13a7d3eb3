"""The naive versions: what somebody in a hurry would have written, and what the probe must catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import DatabaseError, Error, transaction
from django.http import HttpResponse, JsonResponse

from audit import sql
from audit.actors import System
from audit.operations import record, seal
from controlplane.delivery.readers import Reader, Sealed, follow
from controlplane.delivery.readers.fanout import FANOUT
from policies.models import Admission
from tests.faults.requests import Prepared, Request
from tests.faults.stage import Stage

_BY = System("twin")


def _admit(decision: UUID) -> None:
    Admission.objects.create(key="twin", at=sql.now(), units=1, decision_id=decision)


def _note(decision: UUID) -> None:
    record(kind="action.decided", object_type="action", object_id=str(decision), by=_BY, now=sql.now(), outcome="allow")


def _swallow(step: Callable[[UUID], None], decision: UUID) -> None:
    """Do one step; "the limiter (or the trail) is away, but the agent should not have to suffer for it"."""
    try:
        with transaction.atomic():
            step(decision)
    except DatabaseError:
        pass


def _allow_without_limit(decision: UUID) -> None:
    with transaction.atomic():
        _swallow(_admit, decision)
        _note(decision)


def _allow_without_trail(decision: UUID) -> None:
    with transaction.atomic():
        _admit(decision)
        _swallow(_note, decision)


def _two_writes(decision: UUID) -> None:
    _admit(decision)
    _note(decision)


def _twin(name: str, act: Callable[[UUID], None]) -> Request:
    def prepare(stage: Stage) -> Prepared:
        decision = uuid4()

        def send() -> HttpResponse:
            try:
                act(decision)
            except Error:
                problem: Any = {"status": 503}
                answer = JsonResponse(problem, status=503, content_type="application/problem+json")
                answer["Retry-After"] = "1"
                return answer
            return JsonResponse({"effect": "allow"})

        return Prepared(send)

    return Request(name, prepare, effect="allow")


SWALLOWS_THE_LIMIT = _twin("an ask that swallows what the limiter says", _allow_without_limit)
SWALLOWS_THE_TRAIL = _twin("an ask that swallows what the trail says", _allow_without_trail)
TWO_WRITES = _twin("two writes without a transaction", _two_writes)


def cursor_first() -> None:
    """Read on to the webhooks: the cursor in one transaction, what it has read in another."""
    taken: list[Sealed] = []

    def keep(batch: Sequence[Sealed], _now: datetime) -> int:
        taken.extend(batch)
        return len(batch)

    seal(now=sql.now())
    follow(Reader(FANOUT.name, take=keep), now=sql.now())
    assert FANOUT.take is not None
    FANOUT.take(taken, sql.now())
