"""``queues:`` who reviews held actions, and how."""

from __future__ import annotations

from typing import Any

from approvals import operations
from audit.refusals import invalid
from controlplane.apply.reading import text_list, yes_or_no
from controlplane.apply.sections.base import Applying, Entries, Part, each
from registry.amounts import AmountInvalid, Money, parse_money
from registry.documents import Section, duration_seconds

_NEW: dict[str, Any] = {
    "quorum": 1,
    "ttl": "24h",
    "edits": True,
    "editor_may_approve": False,
    "owner_may_approve": True,
    "confirm_amount_over": None,
    "bulk_limit": 0,
}


def _check(section: Section) -> None:
    text_list(section, "reviewers")
    section.integer("quorum")
    section.duration("ttl")
    section.integer("bulk_limit", least=0)
    section.take("confirm_amount_over")
    yes_or_no(section, "edits", "editor_may_approve", "owner_may_approve")


def _amount(given: dict[str, Any]) -> Money | None:
    """Read the amount beyond which it is typed.

    Raises:
        Invalid: it is not money.
    """
    raw = given["confirm_amount_over"]
    if raw is None:
        return None
    try:
        return parse_money(raw)
    except AmountInvalid as error:
        raise invalid(f"/confirm_amount_over{error.pointer}", "amount", error.detail) from error


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
                confirm_amount_over=_amount(given),
                bulk_limit=given["bulk_limit"],
                by=applying.by,
                now=applying.now,
            )


QUEUES = Part("queues", each(_check), _read, _write)
