"""Every write of runs."""

from runs.operations.handling import (
    assign_failure,
    mute_failure,
    reopen_failure,
    resolve_failure,
    unmute_failure,
)
from runs.operations.importing import import_n8n
from runs.operations.ingest import add_steps, ingest, open_run, update_run
from runs.operations.payloads import read_payload
from runs.operations.results import IngestOutcome, ItemResult, ItemStatus, ReportedUsage, Source
from runs.operations.stubs import stub_run
from runs.operations.undoing import FailureMark, Handled, undo_failure

__all__ = [
    "FailureMark",
    "Handled",
    "IngestOutcome",
    "ItemResult",
    "ItemStatus",
    "ReportedUsage",
    "Source",
    "add_steps",
    "assign_failure",
    "import_n8n",
    "ingest",
    "mute_failure",
    "open_run",
    "read_payload",
    "reopen_failure",
    "resolve_failure",
    "stub_run",
    "undo_failure",
    "unmute_failure",
    "update_run",
]
