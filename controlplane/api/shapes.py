"""The wire's shapes for the schema: what bodies and answers look like, units in the help texts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from audit.canonical import MAX_INTEGER

HEX = "^[0-9a-f]{64}$"


class ProblemErrorShape(s.Serializer[Any]):
    """One defect of an input."""

    pointer = s.CharField(help_text="RFC 6901 JSON pointer", allow_blank=True)
    code = s.CharField()
    detail = s.CharField()


class ProblemShape(s.Serializer[Any]):
    """RFC 9457 problem details."""

    type = s.CharField()
    title = s.CharField()
    status = s.IntegerField()
    detail = s.CharField()
    instance = s.CharField()
    code = s.CharField(help_text="stable machine word")
    request_id = s.CharField()
    errors = ProblemErrorShape(many=True)  # type: ignore[assignment]  # a serializer's own name
    retry_at = s.DateTimeField(required=False, help_text="UTC")


def problems(*statuses: int) -> dict[Any, Any]:
    """Return the error answers of an operation, for `extend_schema`."""
    return {(status, "application/problem+json"): ProblemShape for status in statuses}


def label() -> s.CharField:
    """Return a word of a list: a data class, a scope."""
    return s.CharField(min_length=1, max_length=64)


class AmountShape(s.Serializer[Any]):
    """Typed money, compared by value."""

    value = s.RegexField(
        r"^(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?$", help_text="decimal text without a sign, for example 820.00"
    )
    currency = s.RegexField(r"^[A-Z]{3}$", help_text="ISO 4217")


class AskShape(s.Serializer[Any]):
    """What an agent asks leave for."""

    verb = s.CharField(min_length=1, max_length=120, help_text="dotted, in the verb catalogue: email.send")
    capability = s.ChoiceField(["read", "write", "notify", "execute"], required=False, allow_null=True)
    destination = s.CharField(required=False, allow_null=True, min_length=1, max_length=2048)
    units = s.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_INTEGER, help_text="how many things it touches"
    )
    amount = AmountShape(required=False, allow_null=True)
    payload = s.JSONField(required=False, help_text="the exact JSON that will be executed, at most 256 KiB")
    data_classes = s.ListField(child=label(), required=False, max_length=64)
    data_scopes = s.ListField(child=label(), required=False, allow_null=True, max_length=64)
    provenance = s.DictField(
        child=s.ChoiceField(["operator", "user", "agent", "tool", "web"]), required=False,
        help_text="JSON pointer → where the value came from",
    )  # fmt: skip
    run_id = s.CharField(required=False, allow_null=True, max_length=200)
    step = s.CharField(required=False, max_length=200)
    task = s.CharField(required=False, max_length=200)
    purpose = s.CharField(required=False, max_length=4000)
    estimated_cost_nanousd = s.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MAX_INTEGER, help_text="nano-USD"
    )
    executor = s.CharField(
        required=False, default="self", min_length=1, max_length=64,
        help_text="self, or the slug of an agent of your team",
    )  # fmt: skip
    callback_url = s.CharField(
        required=False, allow_null=True, max_length=2048, write_only=True,
        help_text="told {action_id, approved, effect} when people have decided; of a host on the operator's list",
    )  # fmt: skip
    dry_run = s.BooleanField(required=False, default=False)


class ReasonShape(s.Serializer[Any]):
    """Why."""

    policy = s.CharField(allow_null=True)
    rule = s.CharField(allow_null=True)
    code = s.CharField()
    text = s.CharField()


class AnswerGrantShape(s.Serializer[Any]):
    """The single-use permission."""

    id = s.UUIDField(help_text="the idempotency key to hand to the destination")
    state = s.CharField()
    executor = s.CharField()
    expires_at = s.DateTimeField(help_text="UTC")


class AnswerApprovalShape(s.Serializer[Any]):
    """Where people decide."""

    id = s.UUIDField()
    state = s.CharField()
    url = s.CharField()
    expires_at = s.DateTimeField(help_text="UTC")


class AnswerShape(s.Serializer[Any]):
    """A decision."""

    id = s.UUIDField()
    effect = s.ChoiceField(["allow", "deny", "review", "throttle"])
    reasons = ReasonShape(many=True)
    policy_revision = s.IntegerField()
    digest = s.CharField(help_text="SHA-256 of the canonical action, hex")
    grant = AnswerGrantShape(required=False)
    approval = AnswerApprovalShape(required=False)
    retry_at = s.DateTimeField(required=False, help_text="UTC")
    obligations = s.ListField(child=s.DictField())
    replayed = s.BooleanField()


class RedeemShape(s.Serializer[Any]):
    """What the executor means to execute."""

    digest = s.RegexField(HEX, help_text="64 hex digits")


class GrantStateShape(s.Serializer[Any]):
    """A grant's state."""

    id = s.UUIDField()
    state = s.CharField()
    redeemed_at = s.DateTimeField(required=False, allow_null=True, help_text="UTC")


class RedeemedShape(s.Serializer[Any]):
    """The bytes to execute."""

    grant = GrantStateShape()
    digest = s.CharField()
    canonical = s.CharField(help_text="RFC 8785 text whose SHA-256, behind its domain, is the digest")
    action = s.DictField(help_text="the same, parsed")
    obligations = s.ListField(child=s.DictField(), help_text="{name, value, policy, rule}: what to do besides")
    replayed = s.BooleanField(help_text="this key got these bytes before; whoever did may have acted on them")


class OutcomeShape(s.Serializer[Any]):
    """What came of an action."""

    status = s.ChoiceField(["succeeded", "failed"])
    note = s.CharField(required=False, max_length=4000)
    result_digest = s.RegexField(HEX, required=False, allow_null=True, help_text="64 hex digits")


class SelfShape(s.Serializer[Any]):
    """An agent's own registration, as its key sees it."""

    agent = s.CharField()
    name = s.CharField()
    team = s.CharField()
    environment = s.CharField()
    state = s.CharField()
    version = s.IntegerField(allow_null=True, help_text="number of the live version")
    capabilities = s.ListField(child=s.CharField())
    data_scopes = s.ListField(child=s.CharField())
    tags = s.ListField(child=s.CharField())
    enforcement = s.CharField()
    scopes = s.ListField(child=s.CharField(), help_text="of the key")
    definition = s.DictField(help_text="of the live version")


class CommandShape(s.Serializer[Any]):
    """Something the agent is told to do."""

    id = s.UUIDField()
    kind = s.ChoiceField(["start", "stop", "dispatch"])
    parameters = s.DictField()
    state = s.CharField()
    requested_at = s.DateTimeField(help_text="UTC")
    expires_at = s.DateTimeField(help_text="UTC")


class CommandsShape(s.Serializer[Any]):
    """The commands that wait."""

    commands = CommandShape(many=True)


class AckShape(s.Serializer[Any]):
    """What came of a command."""

    status = s.ChoiceField(["succeeded", "failed"])
    note = s.CharField(required=False, max_length=2000)
