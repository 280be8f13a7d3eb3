"""Telling receivers that a request has its final answer: a reader of the trail, like webhooks and live pages.

The trail's entry is written with the answer, in one transaction, and the reader's cursor moves with what it writes: no
restart loses a notification, and none is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from approvals.models import ApprovalRequest
from audit.actors import System
from audit.models import Entry
from audit.refusals import Missing
from controlplane import atrest
from controlplane.delivery.operations import deliver_once
from controlplane.delivery.readers import Reader, Sealed
from controlplane.gateway.answers import moment
from controlplane.outgoing import UnsafeUrl
from controlplane.protocols.aap.models import Instance
from controlplane.protocols.aap.requests import Seen, seen_at
from policies.models import Decision
from policies.states import Effect

KIND: Final = "request.resolved"
_BY: Final = System("aap")
_CLOSED: Final = frozenset({"approval.approved", "approval.rejected", "approval.expired", "approval.cancelled"})


def _resolves(entry: Entry) -> bool:
    return entry.kind in _CLOSED or (entry.kind == "action.decided" and entry.outcome != Effect.REVIEW)


def _decision_of(entry: Entry) -> Decision | None:
    if entry.kind in _CLOSED:
        request = ApprovalRequest.objects.select_related("decision").filter(pk=UUID(entry.object_id)).first()
        return request.decision if request else None
    return Decision.objects.filter(pk=UUID(entry.object_id)).first()


def _tell(batch: Sequence[Sealed], now: datetime) -> int:
    """Write one notification for each final answer and receiver."""
    agents = set(Instance.objects.present().exclude(url="").values_list("agent__slug", flat=True))
    written = 0
    for entry in (each.entry for each in batch if each.entry.agent in agents and _resolves(each.entry)):
        decision = _decision_of(entry)
        if decision is None or decision.dry_run:
            continue
        try:
            seen = seen_at(decision, now=now)
        except Missing:
            # Asked in another way, or erased.
            continue
        receivers = Instance.objects.told_at(entry.at).select_related("agent").filter(agent=decision.agent_id)
        # Locked: whoever removes one meanwhile waits, and cancels what is written here as well.
        locked = receivers.select_for_update(of=("self",), no_key=True).order_by("id")
        for instance in locked.filter(environment=decision.environment):
            written += _notify(instance, seen, now)
    return written


def _notify(instance: Instance, seen: Seen, now: datetime) -> int:
    if seen.resolved is None:
        return 0
    event_id = uuid5(instance.id, str(seen.id))
    body = {
        "id": str(event_id),
        "type": KIND,
        "instance_id": str(instance.id),
        "request_id": str(seen.id),
        "created_at": moment(seen.resolved.decided_at),
    }
    try:
        deliver_once(
            key=f"{instance.messages}{seen.id}",
            url=atrest.open_sealed(instance.url, place=instance.place("url")),
            body=body,
            kind=KIND,
            by=_BY,
            now=now,
            event_id=event_id,
            team=instance.team,
            agent=instance.agent.slug,
            secret=atrest.open_sealed(instance.secret, place=instance.place("secret")),
        )
    except (UnsafeUrl, atrest.Unreadable):
        # Its host is no longer listed, or the key that sealed it is gone: the agent finds its answer by asking.
        return 0
    return 1


READER = Reader("aap", take=_tell)
