"""From a report to what may be written: redacted, cut to size, its times held to the server's (pure)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from audit.refusals import Problem
from runs.events import RunEvent, StepEvent, Usage
from runs.merging import is_said
from runs.redaction import redact, redact_text

PAYLOAD_LIMIT = 64 * 1024
# In one bucket of a model call: no call of any model comes near.
MAX_TOKENS = 100_000_000
FUTURE_TOLERANCE = timedelta(minutes=5)
OLDEST = timedelta(days=30)
_MILLISECOND = timedelta(milliseconds=1)
# Redaction can lengthen a text, so lengths are held after it.
_LIMITS = {
    "trigger_source": 64,
    "trigger_detail": 1_000,
    "task": 120,
    "name": 200,
    "error_type": 200,
    "error_message": 8_000,
    "output_summary": 8_000,
}

CLAMPED = "clamped"
BACKFILLED = "backfilled"
TOO_OLD = Problem("/started_at", "too_old", f"What ended more than {OLDEST.days} days ago needs leave to backfill.")
# What other reports refer to is not redacted, since two secrets would become one name.
_NAMES = {
    "event_id": "/event_id",
    "external_id": "/external_id",
    "run_ref": "/run_id",
    "parent_ref": "/parent_run_id",
    "retry_ref": "/retry_of",
}
_USED = {"provider": 64, "model": 200, "response_id": 200}
_BUCKETS = tuple(field.name for field in dataclasses.fields(Usage))
_COUNTED = ("input_uncached", "cache_read", "cache_write", "output", "reasoning")


@dataclass(frozen=True, slots=True)
class Text:
    """One side of a step's payload as it is kept.

    Attributes:
        text: the redacted text, at most `PAYLOAD_LIMIT` bytes of UTF-8.
        size: bytes of the whole redacted text.
        sha256: of the whole redacted text, hex.
    """

    text: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What both kinds of report share.

    Attributes:
        event_id: the reporter's id.
        fields: the columns that the report says something about.
        digest: of what it says; equal digests are one report sent twice.
        flags: ``clamped``, ``backfilled``.
    """

    event_id: str
    fields: dict[str, Any]
    digest: str
    flags: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun(Prepared):
    """A run's report, ready to be applied. `partial` as in `runs.events.RunEvent`."""

    partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedStep(Prepared):
    """A step's report, ready to be applied.

    Attributes:
        run_ref: a name of its run.
        started_at: when it began; also in `fields` unless it was clamped.
        texts: ``input`` and ``output``, where there are any.
    """

    run_ref: str
    started_at: datetime
    texts: dict[str, Text]


def _clean(event: RunEvent | StepEvent) -> dict[str, Any]:
    """Return the report's free texts, redacted and cut."""
    texts = {name: redact_text(getattr(event, name)) for name in _LIMITS if hasattr(event, name)}
    return {
        name: text if len(text) <= _LIMITS[name] else text[: _LIMITS[name] - 1] + "…" for name, text in texts.items()
    }


def _secret_name(event: RunEvent | StepEvent) -> Problem | None:
    for name, pointer in _NAMES.items():
        text = getattr(event, name, "")
        if redact_text(text) != text:
            return Problem(pointer, "malformed", "A name holds no secret.")
    return None


def _too_many(usage: Usage | None) -> Problem | None:
    """Return what makes a usage one that costs would refuse, and all that is reported with it."""
    for name in _COUNTED if usage else ():
        if getattr(usage, name) > MAX_TOKENS:
            return Problem(f"/usage/{name}", "out_of_range", f"Tokens are an integer from 0 to {MAX_TOKENS}.")
    return None


def _as_dict(usage: Usage) -> dict[str, Any]:
    words = {name: redact_text(getattr(usage, name))[:longest] for name, longest in _USED.items()}
    return {name: getattr(usage, name) for name in _BUCKETS} | words


def as_text(value: Any) -> Text | None:
    """Redact a payload and write it as text: strings as they are, everything else as JSON."""
    if value is None:
        return None
    clean = redact(value)
    # Not msgspec, which refuses integers beyond 64 bits.
    raw = (clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False, separators=(",", ":"))).encode()
    # A character that the cut would split is left out.
    kept = raw[:PAYLOAD_LIMIT].decode("utf-8", "ignore")
    return Text(kept, len(raw), hashlib.sha256(raw).hexdigest())


def _digest(kind: str, said: dict[str, Any]) -> str:
    raw = msgspec.json.encode([kind, said], order="deterministic")
    return hashlib.sha256(raw).hexdigest()[:32]


def _flags(times: list[datetime], latest: datetime, now: datetime, *, may_backfill: bool) -> dict[str, Any] | Problem:
    flags: dict[str, Any] = {}
    if latest < now - OLDEST:
        if not may_backfill:
            return TOO_OLD
        flags[BACKFILLED] = True
    if any(time > now + FUTURE_TOLERANCE for time in times):
        flags[CLAMPED] = True
    return flags


def _clamp(fields: dict[str, Any], now: datetime, *names: str) -> None:
    for name in names:
        if name in fields and fields[name] > now + FUTURE_TOLERANCE:
            fields[name] = now


def prepare_run(event: RunEvent, *, now: datetime, may_backfill: bool) -> PreparedRun | Problem:
    """Make a run's report ready.

    Its latest time decides whether it is too old, so that a run that waited for long can end.

    Args:
        event: the report.
        now: aware UTC.
        may_backfill: whether old reports are admitted.
    """
    if problem := _secret_name(event):
        return problem
    times = [time for time in (event.started_at, event.ended_at) if time is not None]
    flags = _flags(times, max(times, default=now), now, may_backfill=may_backfill)
    if isinstance(flags, Problem):
        return flags
    fields: dict[str, Any] = {
        **_clean(event),
        "status": event.status,
        "started_at": event.started_at,
        "ended_at": event.ended_at,
        "external_id": event.external_id,
        "parent_ref": event.parent_ref,
        "retry_ref": event.retry_ref,
        "external_version": redact_text(event.external_version),
    }
    fields = {name: value for name, value in fields.items() if is_said(value)}
    digest = _digest("run", fields)
    _clamp(fields, now, "started_at", "ended_at")
    return PreparedRun(event_id=event.event_id, fields=fields, digest=digest, flags=flags, partial=event.partial)


def prepare_step(event: StepEvent, *, now: datetime, may_backfill: bool) -> PreparedStep | Problem:
    """Make a step's report ready. Arguments as for `prepare_run`."""
    if problem := _secret_name(event) or _too_many(event.usage):
        return problem
    # A duration that reaches beyond the present says nothing about the age.
    age = max(now - event.started_at, timedelta())
    latest = event.started_at + timedelta(milliseconds=min(event.duration_ms or 0, age // _MILLISECOND))
    flags = _flags([event.started_at], latest, now, may_backfill=may_backfill)
    if isinstance(flags, Problem):
        return flags
    texts = {"input": as_text(event.input), "output": as_text(event.output)}
    fields: dict[str, Any] = {
        **_clean(event),
        "kind": event.kind,
        "status": event.status,
        "started_at": event.started_at,
        "duration_ms": event.duration_ms,
        "usage": _as_dict(event.usage) if event.usage else None,
        "decision_id": event.action_id,
        "position": event.position or None,
    }
    for side, text in texts.items():
        if text is not None:
            fields |= {f"{side}_size": text.size, f"{side}_sha256": text.sha256}
    fields = {name: value for name, value in fields.items() if is_said(value)}
    digest = _digest("step", fields)
    _clamp(fields, now, "started_at")
    return PreparedStep(
        event_id=event.event_id,
        fields=fields,
        digest=digest,
        flags=flags,
        run_ref=event.run_ref,
        started_at=fields["started_at"],
        texts={side: text for side, text in texts.items() if text is not None},
    )


def name_uuid(name: str) -> UUID | None:
    """Return the UUID that a run's name is, if it is one."""
    try:
        return UUID(name)
    except ValueError:
        return None
