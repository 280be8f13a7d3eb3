"""The wire form of an ask, read strictly, and the canonical action that is approved and executed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from audit.canonical import digest_bytes, dumps, escape_pointer, loads
from audit.refusals import Invalid, Malformed, Problem, TooLarge, invalid
from policies.facts import Declared
from registry.amounts import AmountInvalid, Money, parse_money
from runs.redaction import has_secret, redact_text

MAX_BODY = 1024 * 1024
MAX_PAYLOAD = 256 * 1024
ACTION_DOMAIN = "acp.action.v1"
BODY_DOMAIN = "acp.ask.v1"
_WORDS = ("step", "task", "purpose")

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Short = Annotated[str, msgspec.Meta(max_length=200)]
Source = Annotated[str, msgspec.Meta(pattern="^(operator|user|agent|tool|web)$")]


class Amount(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Typed money: a decimal in text and an ISO 4217 code; `registry.amounts` reads it."""

    value: str
    currency: str


class ActionFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The part of an action that a reviewer may edit."""

    destination: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)] | None = None
    units: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    amount: Amount | None = None
    payload: Any = None
    data_classes: Annotated[list[Label], msgspec.Meta(max_length=64)] = []


class AskBody(ActionFields, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Body of ``POST /api/v1/actions`` (semantics 1)."""

    verb: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    capability: Annotated[str, msgspec.Meta(pattern="^(read|write|notify|execute)$")] | None = None
    data_scopes: Annotated[list[Label], msgspec.Meta(max_length=64)] | None = None
    provenance: dict[str, Source] = {}
    run_id: Short | None = None
    step: Short = ""
    task: Short = ""
    purpose: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    estimated_cost_nanousd: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | None = None
    executor: Label = "self"
    callback_url: Annotated[str, msgspec.Meta(max_length=2048)] | None = None
    dry_run: bool = False


class ToolCall(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """The call of a tool that an action stands for; the payload holds its arguments.

    Attributes:
        tool: its name, where the agent runs it.
        server: of the tool, where it has one.
        arguments_sha256: of the arguments' own text, hex.
        arguments_text: that text, where the payload says less: it holds numbers that RFC 8785 would write
            otherwise, or cannot write.
    """

    tool: str
    server: str | None = None
    arguments_sha256: str
    arguments_text: str | None = None


class CallBody(AskBody, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a protocol for tool calls asks, in one transaction like everybody; no API takes it from outside.

    Such an action is executed by the framework that made the call, with its own arguments: it is redeemed by the
    asker, and nobody edits it.

    Attributes:
        call: the call; None in what was asked by any other way.
        within_seconds: how long people may take to decide; their queues may allow less.
        submission: what the protocol was sent, for telling it again; secrets are taken out of the agent's words.
        withheld: those words as they came, sealed, where something was taken out: only their agent is told them again.
    """

    call: ToolCall | None = None
    within_seconds: Annotated[int, msgspec.Meta(ge=1)] | None = None
    submission: str | None = None
    withheld: str | None = None


def call_of(fields: ActionFields) -> ToolCall | None:
    """Return the tool call that an action stands for, or None."""
    return fields.call if isinstance(fields, CallBody) else None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was read.

    Attributes:
        body: its fields; its words without secrets.
        raw: the RFC 8785 form of the whole body, likewise.
        digest: of the whole body as it came: what an idempotency key is bound to.
    """

    body: AskBody
    raw: bytes
    digest: str


_PATH = re.compile(r" - at `\$?(?:\.\.\.)?(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def problem_of(error: msgspec.ValidationError) -> Problem:
    """Turn a validation error into a problem with a JSON pointer."""
    text = str(error)
    match = _PATH.search(text)
    pointer = ""
    if match:
        text = text[: match.start()]
        for name, index in _STEP.findall(match["path"]):
            pointer += "/" + escape_pointer(name or index)
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown:
        return Problem(f"{pointer}/{escape_pointer(unknown[1])}", "unknown_field", "There is no such field.")
    missing = re.search(r"missing required field `([^`]*)`", text)
    if missing:
        return Problem(f"{pointer}/{escape_pointer(missing[1])}", "required", "The field is required.")
    return Problem(pointer, "invalid", f"{text}.")


def convert(value: Any, to: type[Any]) -> Any:
    """Read a strictly parsed value as a struct.

    Raises:
        Invalid: with a pointer to the defect.
    """
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        problem = problem_of(error)
        raise Invalid(problem.detail, errors=[problem]) from error


def read_ask(raw: bytes, *, form: type[AskBody] = AskBody) -> Asked:
    """Read the body of an ask.

    Args:
        raw: its bytes.
        form: what it may hold.

    Raises:
        Malformed, Invalid, TooLarge: see `audit.canonical.loads`; payloads end at 256 KiB, and no name is a secret.
    """
    if len(raw) > MAX_BODY:
        raise TooLarge("The body exceeds 1 MiB.")
    value = loads(raw)
    if not isinstance(value, dict):
        raise invalid("", "type", "The body must be an object.")
    body: AskBody = convert(value, form)
    # Of a pointer in the provenance it is not said which: it would be repeated.
    pointers = [("/provenance", pointer) for pointer in body.provenance]
    refuse_secret_names(body, ("/verb", body.verb), *_listed("data_scopes", body.data_scopes or ()), *pointers)
    canonical = dumps(value)
    raw = canonical
    # A secret in the agent's own words helps nobody; what is executed stays as it was asked, byte for byte.
    said = {name: redact_text(text) for name in _WORDS if (text := getattr(body, name))}
    if any(getattr(body, name) != text for name, text in said.items()):
        body, raw = msgspec.structs.replace(body, **said), dumps({**value, **said})
    if body.callback_url is not None:
        # It may carry a signature: it is kept encrypted by itself, and in no record of what was asked.
        raw = dumps({name: part for name, part in {**value, **said}.items() if name != "callback_url"})
    # The payload's own size matters only where the whole is larger than what it may be.
    if len(canonical) > MAX_PAYLOAD and len(dumps(body.payload)) > MAX_PAYLOAD:
        raise TooLarge("The payload exceeds 256 KiB.")
    return Asked(body, raw, digest_bytes(BODY_DOMAIN, canonical))


def refuse_secret_names(fields: ActionFields, *others: tuple[str, str]) -> None:
    """Refuse secrets in what is kept, and shown to many, as it came: verbs and labels are the names of something.

    Args:
        fields: whose data classes are looked at.
        others: pointers and names to look at besides.

    Raises:
        Invalid: with a pointer to the first.
    """
    names = [*others, *_listed("data_classes", fields.data_classes)]
    # One look at all of them is enough for nearly every body.
    if not has_secret("\n".join(name for _, name in names)):
        return
    for pointer, name in names:
        if has_secret(name):
            raise invalid(pointer, "secret", "This looks like a secret; send a name that may be shown.")


def _listed(field: str, labels: Iterable[str]) -> list[tuple[str, str]]:
    return [(f"/{field}/{at}", label) for at, label in enumerate(labels)]


def read_key(text: str | None) -> str:
    """Read an ``Idempotency-Key`` header.

    Raises:
        Malformed: missing, empty, too long, not printable ASCII, or a secret: it is kept as it is.
    """
    if text is None or not text:
        raise Malformed("The header Idempotency-Key is required.")
    if len(text) > 255 or not (text.isascii() and text.isprintable()):
        raise Malformed("Idempotency-Key is printable ASCII of at most 255 characters.")
    if redact_text(text) != text:
        raise Malformed("Idempotency-Key looks like a secret; send an id that may be shown.")
    return text


def canonical_action(fields: ActionFields, *, agent: str, environment: str, verb: str) -> bytes:
    """Return the RFC 8785 form of what is approved and executed; SHA-256 over it is the digest.

    Args:
        fields: destination, units, amount and payload as declared; null where left out. Only a tool call has
            the member ``call``.
        agent: slug.
        environment: where.
        verb: what.
    """
    amount, call = fields.amount, call_of(fields)
    return dumps(
        {
            "agent": agent,
            "environment": environment,
            "verb": verb,
            "destination": fields.destination,
            "units": fields.units,
            "amount": {"value": amount.value, "currency": amount.currency} if amount else None,
            "payload": fields.payload,
            **({} if call is None else {"call": msgspec.to_builtins(call)}),
        }
    )


def action_digest(canonical: bytes) -> str:
    """Return the digest that votes and redemptions carry."""
    return digest_bytes(ACTION_DOMAIN, canonical)


def declared_of(body: AskBody) -> Declared:
    """Return what the agent says, as the engine takes it."""
    return declare(
        body,
        verb=body.verb,
        capability=body.capability,
        data_scopes=body.data_scopes,
        provenance=body.provenance,
    )


def declare(
    fields: ActionFields,
    *,
    verb: str,
    capability: str | None,
    data_scopes: list[str] | None,
    provenance: dict[str, str],
) -> Declared:
    """Combine editable fields with those that stay as asked."""
    return Declared(
        verb=verb,
        capability=capability,
        destination=fields.destination,
        units=fields.units,
        amount=_money(fields.amount),
        payload=fields.payload,
        data_classes=frozenset(fields.data_classes),
        data_scopes=frozenset(data_scopes) if data_scopes is not None else None,
        provenance=provenance,
    )


def _money(amount: Amount | None) -> Money | None:
    if amount is None:
        return None
    try:
        return parse_money({"value": amount.value, "currency": amount.currency})
    except AmountInvalid as error:
        raise invalid(f"/amount{error.pointer}", "amount", error.detail) from error
