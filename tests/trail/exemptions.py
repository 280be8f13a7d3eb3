"""What may change without an entry of its own (semantics 7), each with its reason. There is no other list."""

from __future__ import annotations

# Whole tables.
TABLES: dict[str, str] = {
    "audit_seal": "the trail's own order: sealing an entry by an entry would never end",
    "costs_costrollup": "sums of usage rows, which can be drawn again from them at any time",
    "costs_dirtybucket": "which sums are to be drawn again",
    "costs_adjustment": "a sum of usage that came too late for its bucket; the usage came with an entry",
    "policies_admission": "what limits admitted stands in the decision's entry; what no window reaches is deleted",
}

# Columns, by table.
COLUMNS: dict[str, dict[str, str]] = {
    "registry_user": {"last_login": "the log-in has an entry of its own kind, or none; Django writes the time"},
    "registry_agentkey": {"last_used_at": "to the minute, at every call"},
    "registry_agent": {
        "last_seen_at": "to the minute, at every call",
        "reported_state": "what the agent says of itself",
    },
}
