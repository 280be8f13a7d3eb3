"""The static schedule of everything that runs by itself. It is code: nothing edits it at run time."""

from __future__ import annotations

from typing import Any

SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0

# A run that starts late is dropped, not queued: the next one does its work.
_EVERY: dict[str, float] = {
    "audit.seal": SECOND,
    "delivery.follow": SECOND,
    "aap.follow": SECOND,
    "delivery.send": SECOND,
    "delivery.give_up_old": HOUR,
    "delivery.prune": 24 * HOUR,
    "operating.heartbeat": 5 * SECOND,
    "operating.replay": 10 * SECOND,
    "operating.give_back_unused": MINUTE,
    "audit.seal_everything": HOUR,
    "approvals.sweep": 10 * SECOND,
    "approvals.watch": 30 * SECOND,
    "costs.roll_up": 10 * SECOND,
    "costs.expire_reservations": 5 * MINUTE,
    "costs.pause_spent": MINUTE,
    "policies.prune_admissions": 24 * HOUR,
    "policies.watch_triggers": 30 * SECOND,
    "registry.expire_commands": 30 * SECOND,
    "registry.dormant_check": HOUR,
}

SCHEDULE: dict[str, dict[str, Any]] = {
    task: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}
    for task, seconds in _EVERY.items()
}
# The sender reads a queue of its own, and answers for itself.
SCHEDULE["operating.heartbeat of the sender"] = {
    "task": "operating.heartbeat",
    "schedule": 5 * SECOND,
    "kwargs": {"process": "sender"},
    "options": {"expires": 5.0, "queue": "outgoing"},
}
