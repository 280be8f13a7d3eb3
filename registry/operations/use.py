"""When a key and its agent were last heard of."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q

from registry.models import Agent, AgentKey

_log = logging.getLogger(__name__)

PRECISION = timedelta(minutes=1)


def note_use(*, key_id: int, agent_id: int, now: datetime) -> None:
    """Write down that a key was used, to the minute; never in anybody's way.

    One of the exemptions from the trail. A row that somebody holds is passed over, and a
    database that cannot write now is logged and otherwise ignored: the next call comes soon.
    Two short transactions: together they could wait for one that locks agent and key in the
    other order.

    Args:
        key_id: primary key of the key.
        agent_id: primary key of its agent.
        now: aware UTC.
    """
    before = now - PRECISION
    try:
        with transaction.atomic():
            keys = AgentKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=before), pk=key_id)
            for key in keys.select_for_update(skip_locked=True, no_key=True):
                AgentKey.objects.filter(pk=key.pk).update(last_used_at=now)
        with transaction.atomic():
            agents = Agent.objects.filter(Q(last_seen_at=None) | Q(last_seen_at__lt=before), pk=agent_id)
            for agent in agents.select_for_update(skip_locked=True, no_key=True):
                Agent.objects.filter(pk=agent.pk).update(last_seen_at=now)
    except DatabaseError:
        _log.warning("the use of key %s was not noted", key_id, exc_info=True)
