"""How reviewers and queues do: time to decide, decisions at a glance, what was called wrong afterwards, load.

Everything is one query for people and one for queues, whatever they hold: sums of subqueries, each
over rows that the looker may see.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Avg, Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from approvals.models import ApprovalRequest, Escalation, Override, Queue, Vote
from approvals.states import ApprovalState, Verdict
from audit.refusals import Forbidden
from registry.models import User
from registry.states import Role

GLANCE_MS: Final = 3000
_READERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})


def may_see_measures(user: User) -> bool:
    """Whether a person may see how reviewers do: administrators, auditors, operators of what their teams asked."""
    return user.is_active and user.role in _READERS


def require_measures(user: User) -> None:
    """Admit whoever may see how reviewers do.

    Raises:
        Forbidden: anybody else.
    """
    if not may_see_measures(user):
        raise Forbidden("Administrators, operators and auditors see how reviewers do.")


def reviewers_measured(*, for_user: User, since: datetime, until: datetime, now: datetime) -> QuerySet[Any]:
    """Return everybody who voted in a period or could vote now, each with their figures.

    Adds to each person: ``decided`` (votes cast), ``approved``, ``rejected``, ``timed`` (votes whose
    time is known), ``mean_ms`` (milliseconds from opening the revision to the vote, mean, or None),
    ``glances`` (votes within three seconds), ``overridden`` (votes that somebody called wrong
    afterwards) and ``waiting`` (open requests that are theirs to vote on).

    Args:
        for_user: who looks; only requests that they see are counted.
        since: votes at or after this time, aware.
        until: votes before this time.
        now: aware UTC, for what is open.
    """
    mine = _votes(for_user, since, until).filter(voter=OuterRef("pk"))
    wrong = Override.objects.filter(decision=OuterRef("request__decision")).exclude(should=OuterRef("verdict"))
    mean = mine.values("voter").annotate(value=Avg("took_ms")).values("value")
    people = User.objects.annotate(
        decided=_number(mine, "voter"),
        approved=_number(mine.filter(verdict=Verdict.APPROVE), "voter"),
        rejected=_number(mine.filter(verdict=Verdict.REJECT), "voter"),
        timed=_number(mine.filter(took_ms__isnull=False), "voter"),
        mean_ms=Subquery(mean),
        glances=_number(mine.filter(took_ms__lt=GLANCE_MS), "voter"),
        overridden=_number(mine.filter(Exists(wrong)), "voter"),
        waiting=_waiting_for_each(for_user, now),
    )
    return people.filter(Q(decided__gt=0) | Q(waiting__gt=0))


def queues_measured(*, for_user: User, since: datetime, until: datetime, now: datetime) -> QuerySet[Any]:
    """Return the queues that a person sees, each with its figures.

    Adds to each queue: ``waiting`` (open requests), ``decided`` and ``expired`` (closed in the period,
    by people and by time), ``escalated`` (in the period) and ``mean_ms`` (of the votes on what it
    held, as for people).

    Args:
        for_user: who looks.
        since: what happened at or after this time, aware.
        until: what happened before this time.
        now: aware UTC, for what is open.
    """
    through = ApprovalRequest.queues.through.objects.filter(
        queue=OuterRef("pk"), approvalrequest__in=ApprovalRequest.objects.visible_to(for_user)
    )
    closed = through.filter(approvalrequest__closed_at__gte=since, approvalrequest__closed_at__lt=until)
    by_people = (ApprovalState.APPROVED, ApprovalState.REJECTED)
    escalated = Escalation.objects.filter(queue=OuterRef("pk"), at__gte=since, at__lt=until)
    held = ApprovalRequest.queues.through.objects.filter(queue=OuterRef(OuterRef("pk"))).values("approvalrequest")
    votes = _votes(for_user, since, until).filter(request__in=held, took_ms__isnull=False).order_by()
    mean = votes.annotate(one=Value(1)).values("one").annotate(value=Avg("took_ms")).values("value")
    return Queue.objects.visible_to(for_user).annotate(
        waiting=_number(
            through.filter(approvalrequest__state=ApprovalState.PENDING, approvalrequest__expires_at__gt=now), "queue"
        ),
        decided=_number(closed.filter(approvalrequest__state__in=by_people), "queue"),
        expired=_number(closed.filter(approvalrequest__state=ApprovalState.EXPIRED), "queue"),
        escalated=_number(escalated, "queue"),
        mean_ms=Subquery(mean),
    )


def _votes(for_user: User, since: datetime, until: datetime) -> QuerySet[Vote]:
    seen = ApprovalRequest.objects.visible_to(for_user)
    return Vote.objects.filter(request__in=seen.order_by().values("pk"), at__gte=since, at__lt=until).order_by()


def _number(rows: QuerySet[Any], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(value=Count("pk")).values("value")
    return Coalesce(Subquery(counted), 0)


def _waiting_for_each(for_user: User, now: datetime) -> Coalesce:
    """Count what each person could vote on, by their queues; what is escalated to them counts as well."""
    seen = ApprovalRequest.objects.visible_to(for_user).in_time(now).order_by().values("pk")
    theirs = Q(reviewers__members=OuterRef(OuterRef("pk"))) | Q(people=OuterRef(OuterRef("pk")))
    queues = Queue.objects.filter(theirs).order_by().values("pk")
    lent = Escalation.objects.filter(
        to__in=Queue.objects.filter(
            Q(reviewers__members=OuterRef(OuterRef(OuterRef("pk")))) | Q(people=OuterRef(OuterRef(OuterRef("pk"))))
        )
        .order_by()
        .values("pk")
    )
    open_now = ApprovalRequest.objects.filter(pk__in=seen).filter(
        Q(queues__in=queues) | Q(pk__in=lent.order_by().values("request"))
    )
    counted = open_now.order_by().annotate(one=Value(1)).values("one")
    return Coalesce(Subquery(counted.annotate(value=Count("pk", distinct=True)).values("value")), 0)
