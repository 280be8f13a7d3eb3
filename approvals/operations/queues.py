"""Queues: created and changed as configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from approvals.models import Queue
from approvals.models.queues import DAY
from approvals.permissions import may_manage_queue
from audit.canonical import digest
from audit.refusals import Invalid, Problem
from audit.transitions import note
from registry.amounts import Money
from registry.models import Team, User
from registry.models.people import SLUG

MOST_AT_ONCE = 100
_UNITS = {"d": DAY, "h": 3600, "m": 60}
LONGEST_TTL = 30 * DAY


def format_ttl(seconds: int) -> str:
    """Write seconds in the largest unit that divides them; less than a week in hours, as people do: 24h, 72h."""
    for unit, size in _UNITS.items():
        if seconds % size == 0 and (unit != "d" or seconds >= 7 * size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


class Keep:
    """Stands for what a caller does not say: it stays as it is."""


KEEP = Keep()


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
    by: User,
    now: datetime,
) -> bool:
    """Create or change a queue.

    Args:
        slug: its name.
        reviewers: slugs of the teams whose members may vote.
        quorum: distinct approvals that are needed, 1 to 20.
        ttl_seconds: how long a request stays open, up to 30 days.
        edits: whether reviewers may edit the action.
        editor_may_approve: whether the author of a revision may approve it.
        owner_may_approve: whether the agent's owner may vote.
        confirm_amount_over: an approval of more has its amount typed; None: nothing is typed.
        bulk_limit: how many requests of one verb and agent may be approved in one step; 0: one by one.
        by: an administrator, or an operator of every team that reviews it before or after.
        now: aware UTC.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: not theirs to do.
        Invalid: with a pointer to each defect.
    """
    teams = {team.slug: team for team in Team.objects.filter(slug__in=reviewers)}
    problems = [
        Problem(f"/reviewers/{index}", "unknown_team", f"There is no team {name!r}.")
        for index, name in enumerate(reviewers)
        if name not in teams
    ]
    if SLUG.regex.match(slug) is None:  # type: ignore[union-attr]  # the validator compiled it
        problems.append(Problem("/slug", "slug", str(SLUG.message)))
    if not reviewers:
        problems.append(Problem("/reviewers", "required", "A queue needs at least one reviewing team."))
    if not 1 <= quorum <= 20:
        problems.append(Problem("/quorum", "range", "The quorum lies between 1 and 20."))
    if not 60 <= ttl_seconds <= LONGEST_TTL:
        problems.append(Problem("/ttl", "range", "Requests stay open between one minute and 30 days."))
    if isinstance(bulk_limit, int) and not 0 <= bulk_limit <= MOST_AT_ONCE:
        problems.append(Problem("/bulk_limit", "range", f"The limit lies between 0 and {MOST_AT_ONCE}."))
    if problems:
        raise Invalid("The queue is not valid.", errors=problems)

    queue = Queue.objects.filter(slug=slug).first()
    reviewing = list(queue.reviewers.all()) if queue else []
    before = queue_document(queue) if queue else None
    queue = queue or Queue(slug=slug)
    queue.quorum, queue.ttl_seconds, queue.edits = quorum, ttl_seconds, edits
    queue.editor_may_approve, queue.owner_may_approve = editor_may_approve, owner_may_approve
    if not isinstance(confirm_amount_over, Keep):
        over = confirm_amount_over
        queue.confirm_amount_value = over.value if over else None
        queue.confirm_amount_currency = over.currency if over else ""
    if not isinstance(bulk_limit, Keep):
        queue.bulk_limit = bulk_limit
    after = _document(queue, sorted(teams))
    if before == after:
        return False
    may_manage_queue(by, before=reviewing, after=list(teams.values()))
    queue.save()
    queue.reviewers.set(teams.values())
    note(
        queue,
        kind="queue.changed" if before else "queue.created",
        by=by,
        now=now,
        before=digest("acp.queue.v1", before) if before else "",
        after=digest("acp.queue.v1", after),
    )
    return True


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
    return document


def queue_document(queue: Queue) -> dict[str, Any]:
    """Return a queue in the form that ``apply`` reads."""
    return _document(queue, sorted(queue.reviewers.values_list("slug", flat=True)))


def queue_documents() -> dict[str, Any]:
    """Return all queues in the form that ``apply`` reads, by slug."""
    return {queue.slug: queue_document(queue) for queue in Queue.objects.prefetch_related("reviewers")}
