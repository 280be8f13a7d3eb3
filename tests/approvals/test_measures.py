"""What reviewers' figures count, for whom, and that the number of queries does not grow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.measures import may_see_measures, queues_measured, reviewers_measured
from approvals.models import ApprovalRequest, Escalation, Queue, Vote
from approvals.operations import mark_override, read_bytes, vote
from approvals.states import Verdict
from audit import sql
from registry.models import User
from registry.states import Role
from tests.approvals.steps import change, current, hold_mail, say
from tests.journeys.installation import Installation, build
from tests.world import make_person, make_team


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


def _person(name: str) -> User:
    return User.objects.get(username=name)


def opened(request: ApprovalRequest, username: str, at: datetime) -> None:
    """Open the bytes, as the page does."""
    read_bytes(request=ApprovalRequest.objects.get(pk=request.pk), by=_person(username), now=at)


def people(by: User, now: datetime, days: int = 30) -> dict[str, Any]:
    rows = reviewers_measured(for_user=by, since=now - timedelta(days=days), until=now, now=now)
    return {row.username: row for row in rows}


def queues(by: User, now: datetime) -> dict[str, Any]:
    return {row.slug: row for row in queues_measured(for_user=by, since=now - timedelta(days=30), until=now, now=now)}


@pytest.mark.slow
def test_the_time_to_decide_runs_from_the_first_opening_of_the_current_revision(installation: Installation) -> None:
    now = sql.now()
    request = hold_mail(installation)
    opened(request, "talent-reviewer", now - timedelta(seconds=50))
    change(request, "second-reviewer", payload={"to": ["x@acme.com"]})
    opened(request, "talent-reviewer", now - timedelta(seconds=9))
    opened(request, "talent-reviewer", now - timedelta(seconds=4))
    opened(request, "second-reviewer", now - timedelta(seconds=1))
    say(request, "talent-reviewer", now=now)
    assert Vote.objects.get().took_ms == 9000
    # Nobody approves unread; whoever rejects unread took no time that was measured.
    unread = hold_mail(installation, "unread")
    vote(
        request_id=unread.pk, revision=1, verdict=Verdict.REJECT, digest=current(unread).digest, comment="",
        by=_person("second-reviewer"), now=now,
    )  # fmt: skip
    assert Vote.objects.get(request=unread).took_ms is None


def test_figures_of_people(installation: Installation) -> None:
    now = sql.now()
    for number, (seconds, verdict) in enumerate(((1, "approve"), (2, "reject"), (9, "approve"))):
        request = hold_mail(installation, f"k{number}")
        opened(request, "talent-reviewer", now - timedelta(seconds=seconds))
        say(request, "talent-reviewer", verdict, now=now)
        if number < 2:
            mark_override(
                decision=request.decision, should=Verdict.REJECT, reason="Wrong", by=installation.admin, now=now
            )
    hold_mail(installation, "open")
    later = now + timedelta(seconds=1)
    row = people(installation.admin, later)["talent-reviewer"]
    assert (row.decided, row.approved, row.rejected, row.timed, row.glances) == (3, 2, 1, 3, 2)
    assert (row.mean_ms, row.overridden, row.waiting) == (4000, 1, 1)
    other = people(installation.admin, later)["second-reviewer"]
    assert (other.decided, other.mean_ms, other.waiting) == (0, None, 1)
    assert people(installation.admin, now, days=0)["talent-reviewer"].decided == 0
    assert "admin" not in people(installation.admin, later)
    queue = queues(installation.admin, later)["outreach"]
    assert (queue.waiting, queue.decided, queue.expired, queue.escalated, queue.mean_ms) == (1, 3, 0, 0, 4000)


@pytest.mark.slow
def test_load_counts_a_request_once_and_what_was_escalated_to_a_person(installation: Installation) -> None:
    now = sql.now()
    chief = make_person("chief", Role.REVIEWER, now=now)
    make_team("chiefs", chief, lead=chief, by=installation.admin, now=now)
    first, second = hold_mail(installation, "one"), hold_mail(installation, "two")
    top, outreach = Queue.objects.create(slug="top"), Queue.objects.get(slug="outreach")
    top.people.set([chief, _person("talent-reviewer")])
    first.queues.add(top)
    Escalation.objects.create(request=second, queue=outreach, to=top, at=now)
    found = people(installation.admin, sql.now())
    assert {name: row.waiting for name, row in found.items()} == {
        "talent-lead": 2, "talent-reviewer": 2, "second-reviewer": 2, "chief": 2,
    }  # fmt: skip
    assert queues(installation.admin, sql.now() + timedelta(seconds=1))["outreach"].escalated == 1


@pytest.mark.slow
def test_who_looks_sees_what_their_teams_asked(installation: Installation) -> None:
    now = sql.now()
    say(hold_mail(installation), "talent-reviewer", now=now)
    stranger, auditor = make_person("elsewhere", Role.OPERATOR, now=now), make_person("aud", Role.AUDITOR, now=now)
    make_team("elsewhere", stranger, by=installation.admin, now=now)
    assert "talent-reviewer" in people(auditor, now + timedelta(seconds=1))
    assert people(stranger, now + timedelta(seconds=1)) == {}
    assert [may_see_measures(one) for one in (auditor, stranger, _person("talent-reviewer"), _person("talent-lead"))
            ] == [True, True, False, False]  # fmt: skip


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow(installation: Installation) -> None:
    now = sql.now()
    for number in range(12):
        say(hold_mail(installation, f"k{number}"), "talent-reviewer", now=now)
    with CaptureQueriesContext(connection) as asked:
        people(installation.admin, now)
        queues(installation.admin, now)
    assert len(asked) == 2
