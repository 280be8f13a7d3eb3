"""What an agent's framework submits, read strictly, and the question to the gateway that it amounts to (pure)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from audit.canonical import check, dumps
from audit.refusals import TooLarge, invalid
from controlplane.gateway.bodies import ToolCall
from controlplane.protocols.aap.exact import Member, Number, canonical_view, read_members
from registry.tools import UNMAPPED, Tool
from runs.redaction import redact_text

MAX_SUBMISSION: Final = 256 * 1024
# Longer windows are shortened, which the protocol lets a provider do.
_LONGEST_SECONDS: Final = 366 * 24 * 60 * 60
_LONGEST_NAME: Final = 200
_LONGEST_PURPOSE: Final = 4000
_DURATION: Final = re.compile(r"([1-9][0-9]*)(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_FIELDS: Final = ("tool", "server", "arguments", "timeout", "agent_reasoning", "context")
_REASONING: Final = "agent_reasoning"
_REQUIRED: Final = ("tool", "arguments", "timeout")


@dataclass(frozen=True, slots=True)
class Submission:
    """A proposed tool call.

    Attributes:
        members: what was sent, by name, each with its own text.
        text: the whole body, as it came or with another reasoning.
        within_seconds: how long the agent waits for people.
    """

    members: dict[str, Member]
    text: str
    within_seconds: int

    @property
    def tool(self) -> Tool:
        """The tool."""
        server = self.members.get("server")
        return Tool(self.members["tool"].value, server.value if server else "")

    @property
    def values(self) -> dict[str, Any]:
        """The parsed members, for comparing."""
        return {name: member.value for name, member in self.members.items()}

    @property
    def reasoning(self) -> str:
        """Why the agent wants it, in its own words; empty where it does not say."""
        return str(self.members[_REASONING].value) if _REASONING in self.members else ""

    @property
    def inside(self) -> str:
        """The members, each with its own text, as they stand between the braces."""
        return ",".join(f"{json.dumps(name)}:{member.text}" for name, member in self.members.items())

    def saying(self, text: str) -> Submission:
        """Return the same with another reasoning, given as JSON text."""
        other = replace(self, members={**self.members, _REASONING: Member(json.loads(text), text)})
        return replace(other, text=f"{{{other.inside}}}")


def read_submission(raw: bytes) -> Submission:
    """Read the body of ``POST /v1/requests``.

    Raises:
        Malformed, Invalid, TooLarge: it is not one; the pointer names the field.
    """
    if len(raw) > MAX_SUBMISSION:
        raise TooLarge(f"The body exceeds {MAX_SUBMISSION} bytes.")
    return read_kept(raw)


def read_kept(raw: bytes) -> Submission:
    """Read a submission that was admitted before; what was taken out of it may have made it longer.

    Raises:
        Malformed, Invalid: it is not one.
    """
    members = read_members(raw)
    require_fields(members, _FIELDS, _REQUIRED)
    for name in ("tool", "server"):
        if name in members:
            _require_name(name, members[name].value)
    for name in ("arguments", "context"):
        if name in members and not isinstance(members[name].value, dict):
            raise invalid(f"/{name}", "type", "It must be an object.")
    if "agent_reasoning" in members and not _is_text(members["agent_reasoning"].value):
        raise invalid("/agent_reasoning", "type", "It must be text.")
    return Submission(members, raw.decode(), read_duration(members["timeout"].value, at="/timeout"))


def require_fields(members: Mapping[str, Member], known: Collection[str], required: Collection[str]) -> None:
    """Hold an object of the protocol to its fields; none of them may be null.

    Raises:
        Invalid: one is unknown, null or missing.
    """
    for name, member in members.items():
        if name not in known:
            raise invalid(f"/{name[:80]}", "unknown_field", "There is no such field.")
        if member.value is None:
            raise invalid(f"/{name}", "null", "Leave out what has no value.")
    for name in required:
        if name not in members:
            raise invalid(f"/{name}", "required", "The field is required.")


def read_duration(text: object, *, at: str) -> int:
    """Read a duration, in seconds; longer ones than a year are cut to that.

    Raises:
        Invalid: not of the form ``30s``, ``30m`` or ``24h``.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) and _is_text(text) else None
    if found is None:
        raise invalid(at, "duration", "Write a positive whole number and s, m or h: 30s, 30m, 24h.")
    if len(found[1]) > 9:
        return _LONGEST_SECONDS
    return min(int(found[1]) * _SECONDS[found[2]], _LONGEST_SECONDS)


def question_of(submission: Submission, *, verb: str | None, seal: Callable[[str], str]) -> bytes:
    """Return the body that the gateway is asked with.

    Args:
        submission: what was sent.
        verb: that the catalogue names for its tool; None: it names none.
        seal: encrypts what only the agent is told again.

    Raises:
        Invalid: it holds text that cannot be stored.
    """
    arguments = submission.members["arguments"]
    view, exact = canonical_view(arguments.value)
    tool = submission.tool
    call = ToolCall(
        tool=tool.name,
        server=tool.server or None,
        arguments_sha256=hashlib.sha256(arguments.text.encode()).hexdigest(),
        arguments_text=None if exact else arguments.text,
    )
    said = submission.reasoning
    # Before it is written anew, so that a defect is named by the protocol's own fields.
    check({"tool": tool.name, "server": tool.server, "arguments": view, "agent_reasoning": said})
    # Before it is cut: half a secret is not known as one.
    clean, kept = redact_text(said), {"submission": submission.text}
    if clean != said:
        # People and records need no secret, and clients accept no answer that says anything else than they did.
        cleaned = submission.saying(json.dumps(clean, ensure_ascii=False))
        kept = {"submission": cleaned.text, "withheld": seal(submission.members[_REASONING].text)}
    return dumps(
        {
            "verb": verb or UNMAPPED,
            "payload": view,
            "purpose": clean[:_LONGEST_PURPOSE],
            "call": msgspec.to_builtins(call),
            "within_seconds": submission.within_seconds,
            **kept,
        }
    )


def _is_text(value: object) -> bool:
    # A number keeps its text, and is none.
    return isinstance(value, str) and not isinstance(value, Number)


def _require_name(name: str, value: object) -> None:
    if not _is_text(value) or not value:
        raise invalid(f"/{name}", "type", "It must be text, and not empty.")
    if len(str(value)) > _LONGEST_NAME:
        raise invalid(f"/{name}", "too_long", f"At most {_LONGEST_NAME} characters are admitted.")
