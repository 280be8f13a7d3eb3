"""The journey of one action: ask, edit, redeem, outcome, ingest.

The only room that knows the whole way. It holds no rules of its own: it reads facts, has them
judged, takes what was judged, and writes it down, each in one transaction.
"""

from controlplane.gateway.editing import edit
from controlplane.gateway.measured import amend_run, ask, ingest, outcome, redeem, report_run, report_step
from controlplane.gateway.redeeming import Redeemed
from controlplane.gateway.reporting import cancel, import_executions, revoke

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
    "revoke",
]
