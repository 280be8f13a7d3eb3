"""``queues:`` who reviews held actions, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from approvals import operations
from approvals.operations.queues import QUEUES_LOCK
from approvals.routing import parse_matches
from approvals.templates import TEMPLATES
from audit import sql
from audit.refusals import invalid
from controlplane.apply.reading import text_list, yes_or_no
from controlplane.apply.sections.base import Applying, Entries, Part, each
from registry.amounts import AmountInvalid, Money, parse_money
from registry.documents import DocumentInvalid, Section, duration_seconds

_NEW: dict[str, Any] = {
    "quorum": 1,
    "ttl": "24h",
    "edits": True,
    "editor_may_approve": False,
    "owner_may_approve": True,
    "confirm_amount_over": None,
    "bulk_limit": 0,
    "capacity": 0,
    "escalate": None,
    "matches": {},
}


def _check(section: Section) -> None:
    text_list(section, "reviewers")
    section.integer("quorum")
    section.duration("ttl")
    section.integer("bulk_limit", least=0)
    section.integer("capacity", least=0)
    section.take("confirm_amount_over")
    section.choice("template", tuple(TEMPLATES))
    _check_escalation(section)
    _check_matches(section)
    yes_or_no(section, "edits", "editor_may_approve", "owner_may_approve")


def _check_escalation(section: Section) -> None:
    if section.take("escalate") is not None and (inner := section.section("escalate")) is not None:
        inner.duration("after", required=True)
        inner.text("to", required=True)
        inner.close()


def _check_matches(section: Section) -> None:
    """Say what is wrong with the selectors, at their own places."""
    raw = section.take("matches")
    if not section.has("matches"):
        return
    try:
        parse_matches(raw, at=section.at("matches"))
    except DocumentInvalid as error:
        section.problems.found.extend(error.errors)


def _escalate(given: dict[str, Any]) -> operations.Escalate | None:
    raw = given["escalate"]
    return operations.Escalate(duration_seconds(raw["after"]), raw["to"]) if raw else None


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


def _hold(_: Entries) -> None:
    """Keep others from writing queues; asks that put requests into them do not wait for it."""
    sql.advisory_lock(QUEUES_LOCK)


def _with_targets_first(entries: Entries) -> Iterator[tuple[str, Any]]:
    """Yield the entries; those to which others escalate come before these, a circle as it is written."""
    waiting, seen = dict(entries), set()
    while waiting:
        for slug, entry in waiting.items():
            target = (entry.get("escalate") or {}).get("to")
            if target not in waiting or target == slug or slug in seen:
                break
            seen.add(slug)
        yield slug, waiting.pop(slug)


def _write(entries: Entries, applying: Applying) -> None:
    for slug, written in _with_targets_first(entries):
        template = TEMPLATES.get(written.get("template", ""))
        # A template stands for what it says, wherever the document does not say otherwise.
        entry = {**(template.document if template else {}), **written}
        entry.pop("template", None)
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
                capacity=given["capacity"],
                escalate=_escalate(given),
                matches=given["matches"],
                by=applying.by,
                now=applying.now,
            )


QUEUES = Part("queues", each(_check), _read, _write, _hold)
