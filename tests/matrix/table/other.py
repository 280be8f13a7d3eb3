"""Health, logging in and out, and what Django's admin brings along."""

from __future__ import annotations

from tests.matrix.rows import anybody

ROWS = (
    anybody("healthz"),
    anybody("readyz"),
    # Without its token, which people and keys do not have.
    anybody("metrics", done=403),
)
