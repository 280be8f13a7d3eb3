"""Health, logging in and out, what Django's admin brings along, and the protocols of others."""

from __future__ import annotations

from tests.matrix.places import CALL
from tests.matrix.rows import anybody, by_key, to

_KEYED = {"Idempotency_Key": "matrix-1"}

ROWS = (
    anybody("healthz"),
    anybody("readyz"),
    # Without its token, which people and keys do not have.
    anybody("metrics", done=403),
    # The web server pushes nothing; who may listen to the streaming lane is tested in tests/lane.
    anybody("events", "GET", done=404),
    # The Agent Approval Protocol, by agents' keys.
    by_key("aap/v1/requests", to("POST", 201, body=CALL, headers=_KEYED)),
    by_key("aap/v1/requests/<uuid:request_id>", to("GET"), to("DELETE"), on="held call"),
    by_key("aap/v1/requests/<uuid:request_id>/consume", to("POST", headers=_KEYED), on="approved call"),
    by_key("aap/v1/requests/<uuid:request_id>/outcome", to("POST", body={"status": "succeeded"}), on="consumed call"),
    by_key("aap/v1/instances", to("POST", 201, body={}, headers=_KEYED)),
    by_key("aap/v1/instances/<uuid:instance_id>", to("GET"), to("DELETE", 204), on="instance"),
    anybody(r"aap/^(?P<rest>[\s\S]*)$", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", done=404),
)
