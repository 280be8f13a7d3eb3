"""How static files are named: by content, so that browsers may keep them for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class AssetStorage(CompressedManifestStaticFilesStorage):
    """Hashed, compressed files once they are collected; plain names before (tests, ``runserver``)."""

    def stored_name(self, name: str) -> str:
        """Return the name under which a file is served."""
        if not self.hashed_files:
            return name
        stored: str = super().stored_name(name)
        return stored
