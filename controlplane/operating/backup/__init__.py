"""Backup and restore: the whole database in one file that says what it must come out as.

What lives in the broker is not in it: nothing there is the only home of a truth.
"""

from controlplane.operating.backup.archive import BackupError, opened
from controlplane.operating.backup.incoming import require_finished
from controlplane.operating.backup.making import make, require_content
from controlplane.operating.backup.manifest import Manifest
from controlplane.operating.backup.restoring import Restored, restore

__all__ = ["BackupError", "Manifest", "Restored", "make", "opened", "require_content", "require_finished", "restore"]
