"""``policies:`` all of them together make one published revision. Each entry replaces the present one as a whole."""

from __future__ import annotations

from typing import Any

from approvals.models import Queue
from audit.refusals import Invalid
from controlplane.apply.sections.base import Applying, Entries, Part
from policies import language, operations
from policies.dry_runs import require_conditions
from registry.documents import Problems


def _check(problems: Problems, at: str, entries: Entries) -> None:
    try:
        require_conditions(language.parse(entries, at=at), at=at)
    except Invalid as error:
        problems.found.extend(error.errors)


def _read() -> dict[str, Any]:
    return dict(sorted(operations.published_policies().items()))


def _write(entries: Entries, applying: Applying) -> None:
    with applying.entry():
        operations.publish_set(
            policies=entries,
            queues=frozenset(Queue.objects.values_list("slug", flat=True)),
            by=applying.by,
            now=applying.now,
            reason="apply",
        )


POLICIES = Part("policies", _check, _read, _write)
