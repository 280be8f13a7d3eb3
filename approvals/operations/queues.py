"""Queues: created and changed as configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from approvals.models import Queue
from approvals.models.queues import DAY
from approvals.operations.seats import (
    KEEP,
    Escalate,
    Keep,
    Seats,
    escalation_problems,
    matches_problems,
    name_problems,
    number_problems,
    written,
)
from approvals.permissions import may_manage_queue, may_route
from approvals.routing import normal
from approvals.templates import Template
from audit import sql
from audit.canonical import digest
from audit.refusals import Conflict, Invalid
from audit.transitions import note
from registry.amounts import Money, parse_money
from registry.documents import duration_seconds
from registry.models import User
from registry.states import Role

# Held by whoever writes queues, before any of their rows.
QUEUES_LOCK = "approvals.queues"
_UNITS = {"d": DAY, "h": 3600, "m": 60}


def format_ttl(seconds: int) -> str:
    """Write seconds in the largest unit that divides them; less than a week in hours, as people do: 24h, 72h."""
    for unit, size in _UNITS.items():
        if seconds % size == 0 and (unit != "d" or seconds >= 7 * size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@transaction.atomic
def save_queue(
    *,
    slug: str,
    reviewers: Sequence[str],
    quorum: int,
    ttl_seconds: int,
    edits: bool,
    editor_may_approve: bool,
    owner_may_approve: bool,
    confirm_amount_over: Money | Keep | None = KEEP,
    bulk_limit: int | Keep = KEEP,
    capacity: int | Keep = KEEP,
    escalate: Escalate | Keep | None = KEEP,
    matches: Mapping[str, Any] | Keep = KEEP,
    by: User,
    now: datetime,
    fresh: bool = False,
) -> bool:
    """Create or change a queue.

    Args:
        slug: its name.
        reviewers: slugs of the teams whose members may vote, and people as ``user:<username>``.
        quorum: distinct approvals that are needed, 1 to 20.
        ttl_seconds: how long a request stays open, up to 30 days.
        edits: whether reviewers may edit the action.
        editor_may_approve: whether the author of a revision may approve it.
        owner_may_approve: whether the agent's owner may vote.
        confirm_amount_over: an approval of more has its amount typed; None: nothing is typed.
        bulk_limit: how many requests of one verb and agent may be approved in one step; 0: one by one.
        capacity: open requests that it holds; full, what comes next is throttled; 0: any number.
        escalate: who may vote as well after a while; None: nobody.
        matches: what comes here by itself, see `approvals.routing`; empty: nothing. Of an operator, it
            names teams that they operate.
        by: an administrator, or an operator of every team that reviews it before or after, or to which
            it newly escalates, and whose teams have everybody who does so in person.
        now: aware UTC.
        fresh: whether the queue must not exist yet.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: it exists, and must not.
        Forbidden: not theirs to do.
        Invalid: with a pointer to each defect.
    """
    sql.advisory_lock(QUEUES_LOCK)
    seats = Seats(reviewers)
    problems = [
        *seats.problems,
        *name_problems(slug),
        *number_problems(quorum=quorum, ttl_seconds=ttl_seconds, bulk_limit=bulk_limit, capacity=capacity),
        *([] if isinstance(escalate, Keep) else escalation_problems(slug, escalate, ttl_seconds)),
        *([] if isinstance(matches, Keep) else matches_problems(matches)),
    ]
    if problems:
        raise Invalid("The queue is not valid.", errors=problems)

    queue = Queue.objects.filter(slug=slug).first()
    if fresh and queue is not None:
        raise Conflict(f"A queue named {slug} exists already; give this one another name.")
    reviewing = list(queue.reviewers.all()) if queue else []
    people = list(queue.people.all()) if queue else []
    before = queue_document(queue) if queue else None
    lends_to, took = (queue.escalate_to_id, queue.matches) if queue else (None, {})
    queue = queue or Queue(slug=slug)
    queue.quorum, queue.ttl_seconds, queue.edits = quorum, ttl_seconds, edits
    queue.editor_may_approve, queue.owner_may_approve = editor_may_approve, owner_may_approve
    given = {
        "bulk_limit": bulk_limit,
        "capacity": capacity,
        "matches": KEEP if isinstance(matches, Keep) else normal(matches),
    }
    for name, value in {**given, **_of_amount(confirm_amount_over), **_of_escalation(escalate)}.items():
        if not isinstance(value, Keep):
            setattr(queue, name, value)
    after = _document(queue, seats.written())
    if before == after:
        return False
    lent = queue.escalate_to if queue.escalate_to_id != lends_to else None
    may_manage_queue(
        by,
        before=reviewing,
        after=[*seats.teams, *(lent.reviewers.all() if lent else ())],
        people=[*people, *seats.people, *(lent.people.all() if lent else ())],
    )
    if queue.matches and queue.matches != took:
        may_route(by, teams=queue.matches.get("team", ()))
    queue.save()
    queue.reviewers.set(seats.teams)
    queue.people.set(seats.people)
    note(
        queue,
        kind="queue.changed" if before else "queue.created",
        by=by,
        now=now,
        before=digest("acp.queue.v1", before) if before else "",
        after=digest("acp.queue.v1", after),
    )
    return True


def create_from_template(
    *, template: Template, slug: str, reviewers: Sequence[str], escalate_to: str, by: User, now: datetime
) -> None:
    """Create a queue of a template's terms.

    Args:
        template: of `approvals.templates`.
        slug: its name.
        reviewers: slugs of teams.
        escalate_to: slug of the queue whose reviewers may vote as well after the template's time; empty: none.
        by: as for `save_queue`.
        now: aware UTC.

    Raises:
        Conflict: a queue of that name exists.
        Forbidden: not theirs to do.
        Invalid: with a pointer to each defect.
    """
    terms = template.document
    # An administrator's queue takes what anybody's agents ask, an operator's what those of its own teams ask.
    bound = {} if by.role == Role.ADMIN else {"team": list(reviewers)}
    save_queue(
        slug=slug,
        reviewers=reviewers,
        quorum=terms["quorum"],
        ttl_seconds=duration_seconds(terms["ttl"]),
        edits=terms["edits"],
        editor_may_approve=terms["editor_may_approve"],
        owner_may_approve=terms["owner_may_approve"],
        confirm_amount_over=parse_money(terms["confirm_amount_over"]),
        bulk_limit=terms["bulk_limit"],
        capacity=0,
        escalate=Escalate(duration_seconds(template.escalate_after), escalate_to) if escalate_to else None,
        matches={**terms["matches"], **bound},
        by=by,
        now=now,
        fresh=True,
    )


def _of_amount(over: Money | Keep | None) -> dict[str, Any]:
    if isinstance(over, Keep):
        return {}
    return {
        "confirm_amount_value": over.value if over else None,
        "confirm_amount_currency": over.currency if over else "",
    }


def _of_escalation(escalate: Escalate | Keep | None) -> dict[str, Any]:
    if isinstance(escalate, Keep):
        return {}
    return {
        "escalate_after_seconds": escalate.after_seconds if escalate else None,
        "escalate_to": Queue.objects.get(slug=escalate.to) if escalate else None,
    }


def plain(value: Decimal) -> str:
    """Write a decimal as people do, with two places at least: 820.00."""
    text = f"{value.normalize():f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


def _document(queue: Queue, reviewers: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "reviewers": reviewers,
        "quorum": queue.quorum,
        "ttl": format_ttl(queue.ttl_seconds),
        "edits": queue.edits,
        "editor_may_approve": queue.editor_may_approve,
    }
    if not queue.owner_may_approve:
        document["owner_may_approve"] = False
    over = queue.confirm_amount_over
    if over is not None:
        document["confirm_amount_over"] = {"value": plain(over.value), "currency": over.currency}
    if queue.bulk_limit:
        document["bulk_limit"] = queue.bulk_limit
    if queue.capacity:
        document["capacity"] = queue.capacity
    if queue.escalate_to is not None and queue.escalate_after_seconds is not None:
        document["escalate"] = {"after": format_ttl(queue.escalate_after_seconds), "to": queue.escalate_to.slug}
    if queue.matches:
        document["matches"] = queue.matches
    return document


def queue_document(queue: Queue) -> dict[str, Any]:
    """Return a queue in the form that ``apply`` reads."""
    return _document(queue, written(queue.reviewers.all(), queue.people.all()))


def queue_documents() -> dict[str, Any]:
    """Return all queues in the form that ``apply`` reads, by slug."""
    rows = Queue.objects.select_related("escalate_to").prefetch_related("reviewers", "people")
    return {queue.slug: queue_document(queue) for queue in rows}
