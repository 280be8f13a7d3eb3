"""The journey of one action: ask, edit, redeem, outcome, ingest.

The only room that knows the whole way. It holds no rules of its own: it reads facts, has them
judged, takes what was judged, and writes it down, each in one transaction.
"""

from controlplane.gateway.asking import ask
from controlplane.gateway.editing import edit
from controlplane.gateway.redeeming import Redeemed, redeem
from controlplane.gateway.reporting import (
    amend_run,
    cancel,
    import_executions,
    ingest,
    outcome,
    report_run,
    report_step,
)

__all__ = [
    "Redeemed",
    "amend_run",
    "ask",
    "cancel",
    "edit",
    "import_executions",
    "ingest",
    "outcome",
    "redeem",
    "report_run",
    "report_step",
]
