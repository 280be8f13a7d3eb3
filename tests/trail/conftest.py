"""The matrix's world and its callers are driven here."""

from __future__ import annotations

from tests.matrix.conftest import _asker, asker

__all__ = ["_asker", "asker"]
