"""What may change without an entry of its own (semantics 7), each with its reason. There is no other list."""

from __future__ import annotations

# Whole tables.
TABLES: dict[str, str] = {
    "audit_seal": "the trail's own order: sealing an entry by an entry would never end",
    "costs_costrollup": "sums of usage rows, which can be drawn again from them at any time",
    "costs_dirtybucket": "which sums are to be drawn again",
    "costs_adjustment": "a sum of usage that came too late for its bucket; the usage came with an entry",
    "delivery_cursor": "where a reader of the trail stands; what it did there has an entry",
    "delivery_attempt": "one try; the delivery's own move has the entry",
    "policies_distinct": "what split guards admitted stands in the decision's entry, as with policies_admission",
    "policies_counted": "sums of what the trail's own entries say, which can be counted again from them",
    "policies_countingcursor": "how far these sums are",
    "policies_admission": "what limits admitted stands in the decision's entry; what no window reaches is deleted",
}

# Columns, by table.
COLUMNS: dict[str, dict[str, str]] = {
    "delivery_delivery": {
        "claim": "who sends it now; what came of it has the entry",
        "claimed_until": "likewise",
    },
    "delivery_endpoint": {
        "failures": "how many in a row, beside the entry of each; the breaker's own moves have entries",
        "probe_at": "when a broken one is tried next; likewise",
    },
    "policies_replay": dict.fromkeys(
        ("total", "done", "cursor", "memory", "result", "tries", "tried_at", "seen_at"),
        "how far a replay is; that it began, and how it ended, are entries",
    ),
    "registry_user": {"last_login": "the log-in has an entry of its own kind, or none; Django writes the time"},
    "registry_agentkey": {"last_used_at": "to the minute, at every call"},
    "registry_agent": {
        "last_seen_at": "to the minute, at every call",
        "reported_state": "what the agent says of itself",
    },
}
