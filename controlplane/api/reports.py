"""Reports of agents about their runs: one by one, and in batches."""

from __future__ import annotations

import json
import math
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request

from audit.canonical import MAX_INTEGER, escape_pointer, loads
from audit.refusals import Conflict, Invalid, Malformed, Problem, invalid
from controlplane import gateway
from controlplane.api import shapes
from controlplane.api.authentication import principal_of
from controlplane.api.bodies import MAX_INGEST, read_raw
from controlplane.api.machines import MachineView, json_response
from registry.states import KeyScope
from runs.operations import ItemResult
from runs.preparing import MAX_TOKENS
from runs.states import RunStatus, StepKind

_BODY_PROBLEMS = (400, 401, 403, 413, 415, 422)
_MAX_INTEGER = 2**63 - 1
LONGEST_TEXT = 100_000


class ReportConflict(Conflict):
    """The report contradicts one that stands: a final status, or other content under the same id."""

    code, title = "report_conflict", "An earlier report says otherwise; it stays, flagged"


class RunTriggerShape(s.Serializer[Any]):
    """What set a run off."""

    source = s.CharField(min_length=1, max_length=64, help_text="a word: webhook, schedule, manual")  # type: ignore[assignment]  # likewise
    detail = s.CharField(required=False, max_length=LONGEST_TEXT)


class ErrorShape(s.Serializer[Any]):
    """What went wrong."""

    type = s.CharField(required=False, max_length=200)
    message = s.CharField(required=False, max_length=LONGEST_TEXT)


class TokensShape(s.Serializer[Any]):
    """Tokens of one model call, in disjoint buckets; reasoning is a part of output."""

    provider = s.CharField(min_length=1, max_length=64)
    model = s.CharField(min_length=1, max_length=200)
    input_uncached = s.IntegerField(
        min_value=0, max_value=MAX_TOKENS, help_text="tokens that no cache served or stored"
    )
    cache_read = s.IntegerField(min_value=0, max_value=MAX_TOKENS, required=False, default=0, help_text="tokens")
    cache_write = s.IntegerField(min_value=0, max_value=MAX_TOKENS, required=False, default=0, help_text="tokens")
    output = s.IntegerField(min_value=0, max_value=MAX_TOKENS, help_text="tokens, reasoning included")
    reasoning = s.IntegerField(
        min_value=0, max_value=MAX_TOKENS, required=False, default=0, help_text="tokens; a part of output"
    )
    response_id = s.CharField(
        required=False, allow_null=True, max_length=255, help_text="the provider's id: one answer counts once"
    )


class RunReportShape(s.Serializer[Any]):
    """A run, as its agent reports it."""

    event_id = s.CharField(min_length=1, max_length=255, help_text="your id of the run; the same again changes nothing")
    external_id = s.CharField(required=False, allow_null=True, min_length=1, max_length=255)
    trigger = RunTriggerShape()
    task = s.CharField(required=False, allow_null=True, max_length=120)
    started_at = s.DateTimeField(help_text="with offset")
    ended_at = s.DateTimeField(required=False, allow_null=True, help_text="with offset")
    status = s.ChoiceField(RunStatus.choices)
    error = ErrorShape(required=False, allow_null=True)
    output_summary = s.CharField(required=False, allow_null=True, max_length=LONGEST_TEXT)
    parent_run_id = s.CharField(
        required=False, allow_null=True, min_length=1, max_length=255, help_text="a name of the run that started it"
    )
    retry_of = s.CharField(
        required=False, allow_null=True, min_length=1, max_length=255, help_text="a name of the run that it repeats"
    )


class RunChangeShape(s.Serializer[Any]):
    """What changed about a run; what is left out stays."""

    status = s.ChoiceField(RunStatus.choices, required=False, allow_null=True)
    ended_at = s.DateTimeField(required=False, allow_null=True, help_text="with offset")
    external_id = s.CharField(required=False, allow_null=True, min_length=1, max_length=255)
    task = s.CharField(required=False, allow_null=True, max_length=120)
    error = ErrorShape(required=False, allow_null=True)
    output_summary = s.CharField(required=False, allow_null=True, max_length=LONGEST_TEXT)


class StepReportShape(s.Serializer[Any]):
    """A step, as its agent reports it."""

    event_id = s.CharField(
        min_length=1, max_length=255, help_text="your id of the step; the same again changes nothing"
    )
    name = s.CharField(min_length=1, max_length=200)
    kind = s.ChoiceField(StepKind.choices)
    started_at = s.DateTimeField(help_text="with offset")
    duration_ms = s.IntegerField(allow_null=True, min_value=0, max_value=MAX_INTEGER, help_text="milliseconds")
    status = s.ChoiceField(RunStatus.choices)
    error = ErrorShape(required=False, allow_null=True)
    input = s.JSONField(required=False, help_text="redacted, then kept up to 64 KiB")
    output = s.JSONField(required=False, help_text="redacted, then kept up to 64 KiB")
    usage = TokensShape(required=False, allow_null=True)
    action_id = s.UUIDField(required=False, allow_null=True, help_text="the action that it carries out")


class BatchShape(s.Serializer[Any]):
    """Up to 500 runs and steps, in any order."""

    items = s.ListField(
        child=s.DictField(),
        max_length=500,
        help_text="each as the single calls take it, with `type` (run or step); a step names its run in `run_id`",
    )


class ReportedShape(s.Serializer[Any]):
    """What became of one report."""

    id = s.UUIDField(help_text="of the run or step")
    status = s.ChoiceField(["created", "duplicate"])


class ItemShape(s.Serializer[Any]):
    """What became of one item."""

    index = s.IntegerField(help_text="place in the batch, from 0")
    status = s.ChoiceField(["created", "duplicate", "conflict", "invalid"])
    id = s.UUIDField(allow_null=True, help_text="of the run or step; null where it is invalid")
    errors = shapes.ProblemErrorShape(many=True)  # type: ignore[assignment]  # a serializer's own name


class BatchResultShape(s.Serializer[Any]):
    """What became of a batch: one result per item, in order."""

    results = ItemShape(many=True)


class IngestView(MachineView):
    """Report many."""

    scope = KeyScope.INGEST

    @extend_schema(
        operation_id="ingest", request=BatchShape,
        responses={200: BatchResultShape, **shapes.problems(*_BODY_PROBLEMS)},
        examples=[
            OpenApiExample(
                "a step before its run", request_only=True,
                value={
                    "items": [
                        {
                            "type": "step", "event_id": "s-1", "run_id": "r-1", "name": "draft", "kind": "llm",
                            "started_at": "2026-01-15T12:00:00Z", "duration_ms": 900, "status": "succeeded",
                        }
                    ]
                },
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> HttpResponse:
        """Report up to 500 runs and steps. Each is answered for itself; bad ones stop none of the others."""
        body = read_report(request)
        found = gateway.ingest(principal=principal_of(request), items=_items(body))
        return json_response({"results": [_item(result) for result in found.results]})


def post_run(request: Request) -> HttpResponse:
    """Take ``POST /api/v1/runs``."""
    return _single(gateway.report_run(principal=principal_of(request), body=read_report(request)))


def post_step(request: Request, run: UUID) -> HttpResponse:
    """Take ``POST /api/v1/runs/{id}/steps``."""
    body = read_report(request)
    return _single(gateway.report_step(principal=principal_of(request), run_id=run, body=body))


def patch_run(request: Request, run: UUID) -> HttpResponse:
    """Take ``PATCH /api/v1/runs/{id}``."""
    body = read_report(request)
    return _single(gateway.amend_run(principal=principal_of(request), run_id=run, body=body), created=200)


def read_report(request: Request) -> Any:
    """Return the body of a report.

    Numbers need no canonical form here, as nobody signs a report; its text is checked item by item.

    Raises:
        Malformed, UnsupportedMedia, TooLarge: see `read_raw`; 5 MiB, gzip is read.
        Invalid: a key stands twice, a number that cannot be kept, too deep.
    """
    raw = read_raw(request, limit=MAX_INGEST, gzip=True)
    try:
        return _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise Malformed("The body is not valid UTF-8.") from error
    except RecursionError as error:
        raise invalid("", "too_deep", "The body is nested too deeply.") from error
    except _Twice:
        # The strict reader knows where.
        return loads(raw)
    except ValueError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from error


class _Twice(Exception):
    """A key stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) > _MAX_INTEGER:
        raise invalid("", "number_out_of_range", "Whole numbers lie within ±(2^63−1); send larger ones as text.")
    return value


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise invalid("", "number_out_of_range", "Numbers are finite.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_whole, parse_float=_real, parse_constant=_real)


def _items(body: Any) -> list[Any]:
    if not isinstance(body, dict):
        raise invalid("", "wrong_type", "The body must be an object.")
    problems = [
        Problem(f"/{escape_pointer(name[:64])}", "unknown_field", "There is no such field.")
        for name in body
        if name != "items"
    ]
    if "items" not in body:
        problems.append(Problem("/items", "missing_field", "The field is required."))
    elif not isinstance(body["items"], list):
        problems.append(Problem("/items", "wrong_type", "Items are a list."))
    if problems:
        raise Invalid(problems[0].detail, errors=problems)
    items: list[Any] = body["items"]
    return items


def _single(result: ItemResult, *, created: int = 201) -> HttpResponse:
    """Answer one report by HTTP's own words.

    Raises:
        Invalid: the report has defects.
        ReportConflict: it contradicts one that stands; that was recorded.
    """
    if result.status == "invalid":
        raise Invalid(result.errors[0].detail, errors=result.errors)
    if result.status == "conflict":
        raise ReportConflict
    body = {"id": str(result.id), "status": result.status}
    return json_response(body, status=created if result.status == "created" else 200)


def _item(result: ItemResult) -> dict[str, Any]:
    return {
        "index": result.index,
        "status": result.status,
        "id": str(result.id) if result.id else None,
        "errors": [{"pointer": each.pointer, "code": each.code, "detail": each.detail} for each in result.errors],
    }
