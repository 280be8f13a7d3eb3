"""A question in the forms in which people take it elsewhere: a rule, a test, a call (pure)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from controlplane.apply import dumping
from controlplane.gateway.bodies import AskBody
from registry.catalogue import VerbSpec
from registry.pointers import EVERY, Pointer


@dataclass(frozen=True, slots=True)
class Copies:
    """One decision, three times.

    Attributes:
        rule: a rule that permits exactly this.
        test: the question as a test, with the answer it got.
        call: the question as a call of the API.
    """

    rule: str
    test: str
    call: str


def rule_for(*, verb: str, destinations: Sequence[str], units: int) -> dict[str, Any]:
    """Return what the narrowest rule that permits an action says."""
    rule: dict[str, Any] = {"name": verb.replace(".", "-"), "verb": verb}
    places = list(dict.fromkeys(destinations))
    if places:
        rule["destination"] = places[0] if len(places) == 1 else places
    rule["batch"] = units
    return rule


def as_rule(*, verb: str, destinations: Sequence[str], units: int) -> str:
    """Write the narrowest rule that permits an action."""
    return dumping.dump([{"allow": rule_for(verb=verb, destinations=destinations, units=units)}])


def as_test(body: AskBody, *, agent: str, effect: str, at: datetime) -> str:
    """Write a question as a policy's own test.

    Args:
        body: what is asked.
        agent: who asks.
        effect: what is expected.
        at: when, aware.
    """
    names = ("verb", "capability", "destination", "units", "amount", "payload", "data_classes", "provenance")
    action = _told(body, names)
    moment = at.astimezone(UTC).isoformat(timespec="seconds")
    return dumping.dump([{"action": action, "agent": agent, "at": moment, "expect": effect}])


def as_call(body: AskBody, *, url: str) -> str:
    """Write a question as a call with curl; the key is left to whoever has it."""
    action = _told(
        body, ("verb", "capability", "destination", "units", "amount", "payload", "data_classes", "data_scopes")
    )
    text = json.dumps(action, ensure_ascii=False)
    return (
        f"curl {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $ACP_KEY" -H "Content-Type: application/json" \\\n'
        '  -H "Idempotency-Key: $(uuidgen)" \\\n'
        f"  --data {shlex.quote(text)}\n"
    )


def without_payload(body: AskBody, spec: VerbSpec | None, destinations: Sequence[str]) -> AskBody:
    """Put in the payload's place one that holds the extracted facts and nothing else.

    Args:
        body: what was asked.
        spec: the verb's entry; None: the payload is left out whole.
        destinations: as extracted.
    """
    payload: Any = {}
    if spec is not None:
        if spec.destination is not None:
            prefix = f"{spec.destination_as}:" if spec.destination_as else ""
            _put(payload, spec.destination, [text.removeprefix(prefix) for text in destinations])
        if isinstance(spec.units, Pointer) and body.units is not None:
            _put(payload, spec.units, [body.units])
        if spec.amount is not None and body.amount is not None:
            _put(payload, spec.amount, [{"value": body.amount.value, "currency": body.amount.currency}])
    return msgspec.structs.replace(body, payload=payload or None)


def _put(root: dict[str, Any], pointer: Pointer, values: Sequence[Any]) -> None:
    """Build what a pointer leads to, so that extracting it again gives the values."""
    tokens = pointer.tokens
    if EVERY not in tokens:
        _set(root, tokens, values[0] if values else None)
        return
    star = tokens.index(EVERY)
    rest = tokens[star + 1 :]
    items: list[Any] = []
    for value in values:
        if not rest:
            items.append(value)
            continue
        inner: dict[str, Any] = {}
        _set(inner, rest, [value] if EVERY in rest else value)
        items.append(inner)
    _set(root, tokens[:star], items)


def _set(root: dict[str, Any], tokens: Sequence[str], value: Any) -> None:
    place = root
    kept = [token for token in tokens if token != EVERY]
    for token in kept[:-1]:
        place = place.setdefault(token, {})
    if kept:
        place[kept[-1]] = value


def _told(body: AskBody, names: Sequence[str]) -> dict[str, Any]:
    value = msgspec.to_builtins(body)
    return {name: value[name] for name in names if value[name] not in (None, [], {})}
