"""Every write of runs."""

from runs.operations.failures import assign, mute, reopen, resolve
from runs.operations.ingest import (
    IngestOutcome,
    ItemResult,
    ReportedUsage,
    change_run,
    import_n8n,
    ingest,
    stub_run,
)
from runs.operations.ledger import Source
from runs.operations.payloads import read_payload

__all__ = [
    "IngestOutcome",
    "ItemResult",
    "ReportedUsage",
    "Source",
    "assign",
    "change_run",
    "import_n8n",
    "ingest",
    "mute",
    "read_payload",
    "reopen",
    "resolve",
    "stub_run",
]
