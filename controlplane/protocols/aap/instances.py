"""Provisioning: an agent's installation names a receiver, which has to show that it expects this."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError, transaction

from audit import sql
from audit.canonical import digest, loads
from audit.ids import new_id
from audit.refusals import Conflict, Flooded, KeyReused, Malformed, Missing, Refusal, invalid
from audit.transitions import note
from controlplane import atrest
from controlplane.delivery.operations.callbacks import cancel_once, listed_hosts
from controlplane.delivery.signing import signed_headers
from controlplane.gateway.answers import moment
from controlplane.gateway.bodies import convert
from controlplane.outgoing import Guard, Unreachable, UnsafeUrl, read_url
from controlplane.protocols.aap.models import Instance
from registry.authentication import Principal
from registry.models import AgentKey
from runs.redaction import redact_text

MOST_INSTANCES: Final = 20
_SECONDS: Final = 10.0
_AT_ONCE: Final = 2
_LONGEST_NAME: Final = 200
_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_DOMAIN: Final = "acp.aap.instance.v1"

# A receiver that hangs holds a thread of the web process: few at a time.
_seats = threading.BoundedSemaphore(_AT_ONCE)


class Delivery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A proposed receiver."""

    type: str
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    registration_id: UUID
    signing_secret: str


class Wanted(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Body of ``POST /v1/instances``."""

    instance_name: Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_NAME)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    delivery: Delivery | msgspec.UnsetType = msgspec.UNSET


class InvalidWebhookUrl(Malformed):
    """The receiver's address is none that is called."""

    code, title = "invalid_webhook_url", "The receiver's URL cannot be used"


class UnsupportedDelivery(Malformed):
    """Another kind of delivery than webhooks."""

    code, title = "unsupported_delivery_type", "Only webhooks are delivered"


class VerificationFailed(Refusal):
    """The receiver did not show that it expects this registration."""

    code, status, title = "webhook_verification_failed", 422, "The webhook receiver could not be verified"


class InstanceDeleted(Conflict):
    """The instance that this key made was removed."""

    code, title = "instance_deleted", "The instance was deleted"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """An instance, and whether it is new."""

    instance: Instance
    fresh: bool


def provision(*, principal: Principal, key: str, raw: bytes, guard: Guard) -> Provisioned:
    """Register an installation of the key's agent; its receiver is asked first, outside of any transaction.

    Args:
        principal: the agent's key; no other credential is issued.
        key: the ``Idempotency-Key`` header.
        raw: the body's bytes.
        guard: the way out.

    Raises:
        Malformed, Invalid: it cannot be read.
        KeyReused, InstanceDeleted: the key made another instance, or one that was removed.
        InvalidWebhookUrl, UnsupportedDelivery, VerificationFailed: no receiver that is told anything.
        Flooded: too many receivers are being asked, or the agent has too many instances.
    """
    value = loads(raw)
    wanted: Wanted = convert(value, Wanted)
    body_digest = digest(_DOMAIN, value)
    if (known := _known(principal, key, body_digest)) is not None:
        return Provisioned(known, fresh=False)
    delivery = None if wanted.delivery is msgspec.UNSET else wanted.delivery
    _check_room(principal)
    identity = new_id()
    if isinstance(delivery, Delivery):
        _check(delivery)
        if not _seats.acquire(blocking=False):
            raise Flooded("Other receivers are being verified; try again.", headers={"Retry-After": "1"})
        try:
            asyncio.run(_verify(delivery, identity, guard, now=sql.now()))
        finally:
            _seats.release()
    try:
        made = register(principal, key, body_digest, identity, wanted, now=sql.now())
    except IntegrityError:
        # Somebody else was quicker with the same key.
        if (known := _known(principal, key, body_digest)) is None:
            raise
        return Provisioned(known, fresh=False)
    return Provisioned(made, fresh=True)


def _known(principal: Principal, key: str, body_digest: str) -> Instance | None:
    found: Instance | None = _of(principal).filter(idempotency_key=key).first()
    if found is None:
        return None
    if found.body_digest != body_digest:
        raise KeyReused
    if found.removed_at is not None:
        raise InstanceDeleted
    return found


def _of(principal: Principal) -> Any:
    return Instance.objects.select_related("agent").filter(
        agent=principal.agent_id, environment=principal.environment
    )  # fmt: skip


def _check_room(principal: Principal) -> None:
    if _of(principal).present().count() >= MOST_INSTANCES:
        raise Flooded(f"At most {MOST_INSTANCES} instances are kept for an agent; delete one.")


def _check(delivery: Delivery) -> None:
    if delivery.type != "webhook":
        raise UnsupportedDelivery
    if _SECRET.fullmatch(delivery.signing_secret) is None:
        raise invalid("/delivery/signing_secret", "secret", "Send whsec_ and 32 random bytes in padded base 64.")
    try:
        read_url(delivery.url, internal_hosts=listed_hosts())
    except UnsafeUrl as error:
        raise InvalidWebhookUrl(error.detail) from error


async def _verify(delivery: Delivery, identity: UUID, guard: Guard, *, now: datetime) -> None:
    """Ask the receiver, once, whether it expects this registration.

    Raises:
        InvalidWebhookUrl: what the URL's host resolves to is not admitted.
        VerificationFailed: no answer in time, or another one than the challenge.
    """
    message_id, challenge = str(uuid4()), str(uuid4())
    body = json.dumps(
        {
            "id": message_id,
            "type": "webhook.verification",
            "registration_id": str(delivery.registration_id),
            "instance_id": str(identity),
            "created_at": moment(now),
            "challenge": challenge,
        }
    )
    headers = signed_headers(message_id=message_id, body=body, keys=[delivery.signing_secret], now=now)
    try:
        async with asyncio.timeout(_SECONDS):
            reply = await guard.post(delivery.url, body=body.encode(), headers=headers)
    except UnsafeUrl as error:
        raise InvalidWebhookUrl(error.detail) from error
    except (Unreachable, TimeoutError) as error:
        raise VerificationFailed from error
    try:
        came_back = json.loads(reply.text)
    except (ValueError, RecursionError):
        came_back = None
    if reply.status != 200 or came_back != {"challenge": challenge}:
        raise VerificationFailed


@transaction.atomic
def register(
    principal: Principal, key: str, body_digest: str, identity: UUID, wanted: Wanted, *, now: datetime
) -> Instance:
    """Write an instance down, whose receiver was asked before.

    Args:
        principal: the agent's key.
        key: the idempotency key.
        body_digest: of what was asked for.
        identity: that the receiver was told.
        wanted: what was asked for.
        now: aware UTC.
    """
    # The agent's own words, as everywhere without secrets: the trail keeps them for ever.
    said = wanted.instance_name
    name = redact_text(said)[:_LONGEST_NAME] if isinstance(said, str) else f"{principal.agent}-{str(identity)[-8:]}"
    instance = Instance(
        id=identity, agent_id=principal.agent_id, environment=principal.environment, team=principal.team, name=name,
        key_id=principal.public_id, idempotency_key=key, body_digest=body_digest, created_at=now,
    )  # fmt: skip
    if isinstance(wanted.delivery, Delivery):
        instance.url = atrest.seal(wanted.delivery.url, place=instance.place("url"))
        instance.secret = atrest.seal(wanted.delivery.signing_secret, place=instance.place("secret"))
        instance.registration_id = wanted.delivery.registration_id
    instance.save(force_insert=True)
    details = {"name": name, "environment": principal.environment, "receiver": bool(instance.url)}
    note(instance, kind="aap_instance.provisioned", by=principal, now=now, details=details)
    return instance


def find_instance(*, principal: Principal, instance_id: UUID) -> Instance:
    """Return an instance of the key's agent in the key's environment.

    Raises:
        Missing: there is none, or it was removed.
    """
    found: Instance | None = _of(principal).present().filter(pk=instance_id).first()
    if found is None:
        raise Missing
    return found


@transaction.atomic
def remove(*, principal: Principal, instance_id: UUID, now: datetime) -> None:
    """Tell an instance nothing more: what waits for its receiver is cancelled. The agent's key is people's to revoke.

    Raises:
        Missing: there never was one.
    """
    found: Instance | None = _of(principal).filter(pk=instance_id).first()
    if found is None:
        raise Missing
    if Instance.objects.filter(pk=instance_id, removed_at=None).update(removed_at=now, url="", secret="") == 1:
        cancelled = cancel_once(keys=found.messages, now=now)
        note(found, kind="aap_instance.removed", by=principal, now=now, details={"cancelled": cancelled})


def told(instance: Instance) -> dict[str, Any]:
    """Return an instance as the protocol tells it; its secret is never told."""
    found: dict[str, Any] = {"id": str(instance.id), "name": instance.name}
    if instance.url:
        found["delivery"] = {
            "type": "webhook",
            "url": atrest.open_sealed(instance.url, place=instance.place("url")),
            "registration_id": str(instance.registration_id),
        }
    return found


def credential(principal: Principal, presented: str) -> dict[str, str]:
    """Return the credential of an instance: the key that provisioned it, in the hands of whoever holds it."""
    expires_at = AgentKey.objects.values_list("expires_at", flat=True).get(pk=principal.key_id)
    return {"token": presented, "expires_at": moment(expires_at)}
