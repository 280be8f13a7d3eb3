"""Telling people: through apprise where the host is a service's, by our own guarded call where it is anybody's."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

from apprise import Apprise, AppriseAsset

from controlplane.delivery.channels import OWN_CALL, BadAddress, read_address
from controlplane.delivery.judging import Outcome
from controlplane.outgoing import Guard, Reply, Unreachable

_SECONDS = 20.0
# No templates, no key files, no redirects, nothing kept on disk, no secrets in logs.
_ASSET: Final = AppriseAsset(
    app_id="Control plane",
    app_desc="Control plane",
    allow_templates=False,
    http_redirects=False,
    secure_logging=True,
    pem_autogen=False,
    pgp_autogen=False,
    plugin_paths=[],
    async_mode=False,
)
# The library's own classes for what it may send.
_KNOWN: Final = frozenset({"NotifyEmail", "NotifySlack", "NotifyWorkflows"})
_JSON = {"Content-Type": "application/json"}


async def send(address: str, body: str, *, guard: Guard) -> Outcome:
    """Make one attempt.

    Args:
        address: of the channel, opened.
        body: JSON with ``title``, ``text``, ``url``, ``kind``, ``id``.
        guard: checks whom it leads to, now.

    Raises:
        UnsafeUrl: the host is not admitted, or does not resolve.
        Unreachable: no answer in time.
    """
    message = json.loads(body)
    try:
        known = read_address(address)
    except BadAddress as refusal:
        return Outcome(None, refusal.title)
    if known.scheme in OWN_CALL:
        reply = await _post(known.scheme, known.url, message, guard)
        return Outcome(reply.status, "", "", reply.retry_after, reply.milliseconds)
    began = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            return await _by_library(known.text, message, guard, began)
    except TimeoutError as error:
        raise Unreachable(f"no answer within {_SECONDS:g} s") from error


async def _post(scheme: str, url: str, message: dict[str, Any], guard: Guard) -> Reply:
    if scheme.startswith("json"):
        told = {"version": "1.0", "type": "info", "title": message["title"], "message": message["text"], **message}
        return await guard.post(url, body=json.dumps(told).encode(), headers=_JSON)
    base, _, topic = url.rstrip("/").rpartition("/")
    told = {"topic": topic, "title": message["title"], "message": message["text"], "click": message["url"]}
    return await guard.post(f"{base}/", body=json.dumps(told).encode(), headers=_JSON)


async def _by_library(text: str, message: dict[str, Any], guard: Guard, began: float) -> Outcome:
    plugin: Any = Apprise.instantiate(text, asset=_ASSET)
    if type(plugin).__name__ not in _KNOWN:
        return Outcome(None, "the address is none that can be told")
    host = plugin.smtp_host if hasattr(plugin, "smtp_host") else plugin.host
    if type(plugin).__name__ == "NotifySlack":
        host = "hooks.slack.com"
    # Resolved once more by the library: for mail that leaves a moment between check and connection (ADR 0019).
    await guard.addresses(guard.read(f"https://{host}/"))
    text_and_link = f"{message['text']}\n\n{message['url']}"
    done = await asyncio.to_thread(plugin.notify, body=text_and_link, title=message["title"])
    took = round((time.monotonic() - began) * 1000)
    return Outcome(200, milliseconds=took) if done else Outcome(None, "the service refused it", milliseconds=took)
