"""Time and a held action: reminded once, escalated once, expired in the end; who may vote then, and what counts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from threading import Barrier

import pytest

from approvals.models import ApprovalRequest, Escalation, Queue
from approvals.operations import escalate, remind
from approvals.refusals import EditsClosed, NotAReviewer
from approvals.tasks import CLOCK, sweep, watch
from audit import sql
from audit.models import Entry
from audit.refusals import Stale
from audit.transitions import note
from controlplane import gateway
from controlplane.apply import apply_document
from registry.models import Team, User
from registry.operations import save_team
from registry.states import Role
from tests.approvals.steps import change, grant_of, principal_of, redeem, say
from tests.journeys.installation import Installation, build
from tests.together import at_once
from tests.world import make_person

ESCALATING = """
teams:
  chiefs: {name: Chiefs, members: [chief, other-chief], lead: chief}
queues:
  top: {reviewers: [chiefs], quorum: 1, edits: true}
  outreach: {quorum: 2, escalate: {after: 2h, to: top}}
"""


@pytest.fixture
def installation(db: None) -> Installation:
    return make()


def make() -> Installation:
    installation = build()
    for name in ("chief", "other-chief"):
        make_person(name, Role.REVIEWER, now=sql.now())
    apply_document(text=ESCALATING, by=installation.admin, now=sql.now(), dry_run=False)
    return installation


def asked(installation: Installation, hours: float, key: str = "mail") -> ApprovalRequest:
    """Have the example's email held so many hours ago."""
    at: datetime = sql.now() - timedelta(hours=hours)
    raw = b'{"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}'
    answer = gateway.ask(principal=principal_of(installation), key=key, raw=raw, clock=lambda: at)
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.select_related("agent").get(decision=answer.id)


def kinds(request: ApprovalRequest) -> list[str]:
    """Return what the trail says of a request, in order, without votes."""
    found = Entry.objects.about("approval", str(request.pk)).order_by("id").values_list("kind", flat=True)
    return [kind for kind in found if kind != "approval.voted"]


@pytest.mark.slow
def test_a_request_is_reminded_of_once_when_a_quarter_of_its_time_is_left(installation: Installation) -> None:
    early, late = asked(installation, 17.9, "early"), asked(installation, 18.1, "late")
    Queue.objects.update(escalate_after_seconds=None, escalate_to=None)
    assert watch() == 1
    assert watch() == 0
    assert (kinds(early), kinds(late)) == (["approval.requested"], ["approval.requested", "approval.reminded"])
    entry = Entry.objects.get(kind="approval.reminded")
    details = json.loads(entry.details)
    assert details["queues"] == ["outreach"]
    assert details["expires_at"] == late.expires_at.isoformat()
    assert (entry.actor_id, entry.team, entry.agent) == (CLOCK.name, "talent", "job-applier")


def test_a_request_is_escalated_once_and_only_while_it_can_be_decided(installation: Installation) -> None:
    early, late, over = asked(installation, 1.9, "e"), asked(installation, 2.1, "l"), asked(installation, 25, "o")
    assert watch() == 1
    assert watch() == 0
    assert kinds(late)[-1] == "approval.escalated"
    assert json.loads(Entry.objects.get(kind="approval.escalated").details)["to"] == "top"
    assert "approval.escalated" not in kinds(early) + kinds(over)
    assert sweep() == 1
    over.refresh_from_db()
    assert (over.state, kinds(over)[-1]) == ("expired", "approval.expired")


def test_the_escalated_votes_count_for_the_queue_whose_quorum_stays(installation: Installation) -> None:
    request = asked(installation, 3)
    with pytest.raises(NotAReviewer):
        say(request, "chief")
    chief = User.objects.get(username="chief")
    assert not ApprovalRequest.objects.visible_to(chief).exists()
    watch()
    assert ApprovalRequest.objects.reviewed_by(chief).get() == request
    assert say(request, "chief").state == "pending"
    assert say(request, "chief").state == "pending"
    assert say(request, "other-chief").state == "approved"
    assert grant_of(request).state == "issued"


@pytest.mark.slow
def test_the_queues_own_people_count_beside_them_and_one_no_closes(installation: Installation) -> None:
    mixed, refused = asked(installation, 3, "mixed"), asked(installation, 3, "refused")
    say(mixed, "talent-reviewer")
    watch()
    assert say(mixed, "chief").state == "approved"
    assert say(refused, "chief", "reject").state == "rejected"


@pytest.mark.slow
def test_the_rules_stay_those_of_the_queue_that_lends(installation: Installation) -> None:
    Queue.objects.filter(slug="outreach").update(edits=False, quorum=1)
    Queue.objects.filter(slug="top").update(editor_may_approve=True)
    request = asked(installation, 3)
    watch()
    with pytest.raises(EditsClosed):
        change(request, "chief", payload={"to": ["x@acme.com"]})
    Queue.objects.filter(slug="outreach").update(edits=True)
    change(request, "chief", payload={"to": ["x@acme.com"]})
    with pytest.raises(NotAReviewer, match="You wrote revision 2"):
        say(request, "chief")
    assert say(request, "other-chief").state == "approved"


@pytest.mark.slow
def test_who_has_left_the_second_queue_no_longer_counts_at_redemption(installation: Installation) -> None:
    Queue.objects.filter(slug="outreach").update(quorum=1)
    stays, leaves = asked(installation, 3, "stays"), asked(installation, 3, "leaves")
    watch()
    say(stays, "other-chief")
    say(leaves, "chief")
    team = Team.objects.get(slug="chiefs")
    other = User.objects.get(username="other-chief")
    save_team(slug="chiefs", name=team.name, lead=other, members=[other], by=installation.admin, now=sql.now())
    assert redeem(installation, stays, "one").grant.state == "redeemed"
    with pytest.raises(Exception, match="quorum no longer holds"):
        redeem(installation, leaves, "two")


@pytest.mark.slow
def test_changing_the_escalation_takes_no_vote_away(installation: Installation) -> None:
    Queue.objects.filter(slug="outreach").update(quorum=1)
    request = asked(installation, 3)
    watch()
    Queue.objects.filter(slug="outreach").update(escalate_after_seconds=None, escalate_to=None)
    assert say(request, "chief").state == "approved"


@pytest.mark.slow
def test_a_reviewer_in_person_votes_and_sees(installation: Installation) -> None:
    text = 'queues: {outreach: {reviewers: ["user:chief", "user:other-chief"], escalate: null}}'
    apply_document(text=text, by=installation.admin, now=sql.now(), dry_run=False)
    request = asked(installation, 0)
    assert ApprovalRequest.objects.visible_to(User.objects.get(username="chief")).exists()
    with pytest.raises(NotAReviewer):
        say(request, "talent-reviewer")
    say(request, "chief")
    assert say(request, "other-chief").state == "approved"


@pytest.mark.slow
def test_closed_requests_are_neither_reminded_of_nor_escalated(installation: Installation) -> None:
    request = asked(installation, 20)
    stale = ApprovalRequest.objects.select_related("agent").get(pk=request.pk)
    say(request, "talent-reviewer", "reject")
    assert watch() == 0
    queue = Queue.objects.select_related("escalate_to").get(slug="outreach")
    for operation in (
        lambda: remind(request=stale, by=CLOCK, now=sql.now()),
        lambda: escalate(request=stale, queue=queue, by=CLOCK, now=sql.now()),
    ):
        with pytest.raises(Stale):
            operation()
    assert not Escalation.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_clocks_at_once_write_each_thing_once() -> None:
    installation = make()
    requests = [asked(installation, 20, f"k{number}") for number in range(4)]
    assert sum(at_once(*[watch] * 4)) == 8
    for request in requests:
        assert sorted(kinds(request)) == ["approval.escalated", "approval.reminded", "approval.requested"]


def _naively(*requests: ApprovalRequest) -> None:
    """The planted twin: looks first, writes then, and nothing between holds anybody off."""
    due = [row for row in requests if not Entry.objects.filter(kind="twin.reminded", object_id=str(row.pk)).exists()]
    _MET.wait(30)
    for row in due:
        note(row, kind="twin.reminded", by=CLOCK, now=sql.now())


_MET = Barrier(3)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_clock_without_a_guard_is_caught() -> None:
    request = asked(make(), 20)
    at_once(*[lambda: _naively(request)] * 3)
    assert Entry.objects.filter(kind="twin.reminded").count() > 1
