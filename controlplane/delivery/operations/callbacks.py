"""One-off callbacks: a single signed POST to an address that only this message has."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.actors import Acting
from audit.ids import new_id
from audit.transitions import note
from controlplane import atrest
from controlplane.delivery.models import Delivery
from controlplane.delivery.states import DeliveryState, Means
from controlplane.outgoing import Guard, read_url
from registry.models import Agent
from registry.permissions import may_issue_keys

_SECRET_PREFIX = "whsec_"  # noqa: S105 - how Standard Webhooks marks a secret


@transaction.atomic
def deliver_once(
    *,
    key: str,
    url: str,
    body: Mapping[str, Any],
    kind: str,
    by: Acting,
    now: datetime,
    event_id: uuid.UUID | None = None,
    team: str = "",
    agent: str = "",
    secret: str = "",
    pointer: str = "/callback_url",
) -> Delivery:
    """Write down one signed POST, in the caller's transaction; the sender sends it after the commit, within a second.

    It is tried on the schedule of every delivery, then given up; people can replay it. A receiver that answers 409
    "… is running already" is asked again within seconds; a 409 "… has finished already" counts as delivered; a 410
    ends it. The URL's host must be on the operator's list or public: it is read here (syntax, list) and resolved,
    checked and pinned at each attempt. Nothing depends on its arrival: it is a hint.

    Args:
        key: what makes it one and the same, unique over all callbacks: ``approval:<id>``. A second call with the same
            key changes nothing and returns the first one's row.
        url: where to; kept encrypted, bound to the row. Never in the log, the trail, or an error.
        body: what is sent, as JSON: ids and words, no payloads.
        kind: what it tells, dotted: ``approval.decided``; for log and filters.
        by: who caused it.
        now: aware UTC.
        event_id: the entry it tells of: the ``webhook-id`` that a receiver sees again with each repetition. A fresh
            one when left out.
        team: slug of the team in whose log it stands.
        agent: slug of the agent concerned.
        secret: ``whsec_…`` that signs it; `callback_secret` of the agent when left out.
        pointer: where the URL stands in the caller's document, for the refusal.

    Returns:
        The delivery; `Delivery.state` says how it stands.

    Raises:
        UnsafeUrl: 422; the URL is none that is called.
    """
    known = Delivery.objects.filter(key=f"once:{key}").first()
    if known is not None:
        return known
    # From the setting itself: the guard as a whole reads the trust store, which nothing needs here.
    target = read_url(url, internal_hosts=listed_hosts(), pointer=pointer)
    delivery = Delivery(
        key=f"once:{key}",
        means=Means.CALLBACK,
        event_id=event_id or new_id(),
        kind=kind,
        team=team,
        agent=agent,
        host=target.host,
        body=json.dumps(body, separators=(",", ":")),
        state=DeliveryState.PENDING,
        due_at=now,
        created_at=now,
        begun_at=now,
    )
    delivery.url = atrest.seal(url, place=delivery.place("url"))
    delivery.secret = atrest.seal(secret or callback_secret(agent), place=delivery.place("secret"))
    delivery.save(force_insert=True)
    note(delivery, kind="delivery.queued", by=by, now=now, outcome=DeliveryState.PENDING, details={"tells": kind})
    return delivery


@transaction.atomic
def cancel_once(*, keys: str, now: datetime) -> int:
    """Send no more of what waits under keys that begin alike; the caller's entry tells of it.

    Args:
        keys: how they begin, as `deliver_once` was given them.
        now: aware UTC.

    Returns:
        How many were cancelled.
    """
    waiting = Delivery.objects.open().filter(key__startswith=f"once:{keys}")
    return waiting.update(state=DeliveryState.CANCELLED, closed_at=now)


def listed_hosts() -> frozenset[str]:
    """Return the hosts that the operator lists (``CONTROLPLANE_CALLBACK_HOSTS``), lower case."""
    return frozenset(host.lower() for host in settings.CALLBACK_HOSTS)


def callback_secret(agent: str) -> str:
    """Return the secret that signs an agent's callbacks: the same each time while the first encryption key stays.

    Args:
        agent: its slug.
    """
    return _SECRET_PREFIX + b64encode(atrest.derive(f"callback:{agent}")).decode()


@transaction.atomic
def show_callback_secret(*, agent: Agent, by: Acting, now: datetime) -> str:
    """Return the secret with which the receiver of an agent's callbacks checks them; the trail tells who saw it.

    Args:
        agent: whose.
        by: who may issue its keys.
        now: aware UTC.

    Returns:
        ``whsec_…``, as Standard Webhooks' libraries take it.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to issue keys of.
    """
    may_issue_keys(by, agent)
    note(agent, kind="callback_secret.shown", by=by, now=now)
    return callback_secret(agent.slug)


def is_listed(host: str) -> bool:
    """Say whether the operator lists a host."""
    return Guard(listed_hosts()).is_listed(host)
