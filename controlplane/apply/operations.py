"""The installation as a document: applied to it, exported from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from audit import sql
from audit.canonical import digest
from audit.operations import record
from audit.refusals import Forbidden
from controlplane.apply.dumping import dump
from controlplane.apply.loading import Loaded, load
from controlplane.apply.plan import Plan, compare
from controlplane.apply.problems import located
from controlplane.apply.sections import PARTS, Applying
from registry import permissions
from registry.documents import Problems, Section, join
from registry.models import User

_DOMAIN = "acp.document.v1"


@transaction.atomic
def apply_document(*, text: str, by: User, now: datetime, dry_run: bool = False) -> Plan:
    """Bring the installation in line with a document, all of it or nothing.

    What the document does not name stays as it is. Applying it again changes nothing and
    leaves no entry in the trail.

    Args:
        text: YAML; see ``docs`` for the form.
        by: who applies it; every change needs their own permission for it.
        now: aware UTC.
        dry_run: find out what would change, and take it back.

    Returns:
        What changed, or would.

    Raises:
        DocumentRefused: with every defect that could be found, and its line.
        Forbidden: a change is not theirs to make.
    """
    permissions.person(by)
    loaded = load(text)
    entries = _check(loaded)
    # One at a time: what is compared and what is written must be the same installation.
    sql.advisory_lock("controlplane.apply")
    for part in PARTS:
        if entries.get(part.name):
            part.hold(entries[part.name])
    before = _documents()
    for part in PARTS:
        if entries.get(part.name):
            applying = Applying(by, now, before[part.name], join("", part.name), loaded.lines)
            part.write(entries[part.name], applying)
            if applying.problems:
                raise located(applying.problems, loaded.lines)
    plan = compare(before, _documents(), named=entries, dry_run=dry_run)
    if dry_run:
        transaction.set_rollback(True)
    elif plan.changed:
        names = [f"{change.sign} {change.section}/{change.name}" for change in plan.changes if change.sign != "="]
        _record("configuration.applied", entries, by=by, now=now, details={"changes": names})
    return plan


@transaction.atomic
def export_document(*, by: User, now: datetime) -> str:
    """Write the installation as one document, in normal form; applying it changes nothing.

    It holds no payloads and no keys. Retired agents are left out.

    Args:
        by: an administrator or auditor, since the document shows all teams.
        now: aware UTC.

    Returns:
        YAML.

    Raises:
        Forbidden: `by` does not see everything.
    """
    if not by.sees_everything:
        raise Forbidden("Only administrators and auditors may export the whole installation.")
    documents = {name: entries for name, entries in _documents().items() if entries}
    _record("configuration.exported", documents, by=by, now=now, details={"sections": list(documents)})
    return dump(documents)


def _check(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Check the form of every section and return their entries.

    Raises:
        DocumentRefused: with every defect.
    """
    problems = Problems()
    root = Section(problems, "", loaded.value)
    entries: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        raw = root.take(part.name)
        if raw is not None:
            # A mapping is what the loader made; anything else is noted by this.
            Section(problems, root.at(part.name), raw)
            entries[part.name] = raw if isinstance(raw, dict) else {}
            part.check(problems, root.at(part.name), entries[part.name])
    root.close()
    if problems.found:
        raise located(problems.found, loaded.lines)
    return entries


def _documents() -> dict[str, dict[str, Any]]:
    return {part.name: part.read() for part in PARTS}


def _record(
    kind: str, document: dict[str, dict[str, Any]], *, by: User, now: datetime, details: dict[str, Any]
) -> None:
    record(
        kind=kind,
        object_type="configuration",
        object_id="configuration",
        by=by,
        now=now,
        after=digest(_DOMAIN, document),
        details=details,
    )
