"""``queues:`` who reviews held actions, and how."""

from __future__ import annotations

from typing import Any

from approvals import operations
from audit.refusals import invalid
from controlplane.apply.reading import text_list, yes_or_no
from controlplane.apply.sections.base import Applying, Entries, Part, each
from registry.documents import Section, duration_seconds

_NEW: dict[str, Any] = {
    "quorum": 1,
    "ttl": "24h",
    "edits": True,
    "editor_may_approve": False,
    "owner_may_approve": True,
}


def _check(section: Section) -> None:
    text_list(section, "reviewers")
    section.integer("quorum")
    section.duration("ttl")
    yes_or_no(section, "edits", "editor_may_approve", "owner_may_approve")


def _read() -> dict[str, Any]:
    return dict(sorted(operations.queue_documents().items()))


def _write(entries: Entries, applying: Applying) -> None:
    for slug, entry in entries.items():
        given = {**_NEW, **applying.present.get(slug, {}), **entry}
        if given == {**_NEW, **applying.present.get(slug, {})} and slug in applying.present:
            continue  # what changes nothing needs no right to change it
        with applying.entry(slug):
            if "reviewers" not in given:
                raise invalid("/reviewers", "missing", "A new queue needs “reviewers”.")
            operations.save_queue(
                slug=slug,
                reviewers=given["reviewers"],
                quorum=given["quorum"],
                ttl_seconds=duration_seconds(given["ttl"]),
                edits=given["edits"],
                editor_may_approve=given["editor_may_approve"],
                owner_may_approve=given["owner_may_approve"],
                by=applying.by,
                now=applying.now,
            )


QUEUES = Part("queues", each(_check), _read, _write)
