"""Votes: whose they are, what they carry, when they complete a quorum."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from approvals.models import ApprovalRequest, Grant, Queue, Vote
from approvals.operations import read_bytes, vote
from approvals.refusals import AlreadyDecided, DigestMismatch, EditsClosed, Expired, NotAReviewer, NotOpened
from approvals.states import Verdict
from audit import sql
from audit.models import Entry
from audit.refusals import PreconditionFailed
from controlplane.gateway.editing import NothingChanged, RefusedByPolicy
from registry.models import Team, User
from registry.operations import deactivate, save_team
from registry.states import Role
from tests.approvals.steps import change, current, grant_of, hold_mail, say
from tests.journeys.installation import Installation, build
from tests.world import make_person


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


def _set_queue(**fields: Any) -> None:
    Queue.objects.filter(slug="outreach").update(**fields)


def test_one_approval_grants_and_leaves_its_trail(installation: Installation) -> None:
    request = say(hold_mail(installation), "talent-reviewer")
    assert request.state == "approved"
    grant = grant_of(request)
    assert (grant.state, grant.digest) == ("issued", current(request).digest)
    kinds = set(Entry.objects.about("approval", str(request.pk)).values_list("kind", flat=True))
    assert kinds == {"approval.requested", "payload.read", "approval.voted", "approval.approved"}
    assert Entry.objects.filter(kind="grant.issued", object_id=str(grant.pk)).count() == 1


def test_one_reject_closes_whatever_the_quorum(installation: Installation) -> None:
    _set_queue(quorum=2)
    request = say(hold_mail(installation), "talent-reviewer", "reject")
    assert request.state == "rejected"
    assert not Grant.objects.exists()
    with pytest.raises(AlreadyDecided):
        say(request, "second-reviewer")


def _unread(request: ApprovalRequest, username: str, verdict: str = "approve") -> ApprovalRequest:
    """Vote on the current bytes without opening them."""
    return vote(
        request_id=request.pk, revision=request.revision, verdict=Verdict(verdict), digest=current(request).digest,
        comment="", by=User.objects.get(username=username), now=sql.now(),
    )  # fmt: skip


def test_nobody_approves_bytes_that_they_did_not_open(installation: Installation) -> None:
    request, reviewer = hold_mail(installation), User.objects.get(username="talent-reviewer")
    with pytest.raises(NotOpened):
        _unread(request, "talent-reviewer")
    # What another person opened is not read by this one, nor are the bytes of another request.
    for opened, by in ((request, "second-reviewer"), (hold_mail(installation, "other"), "talent-reviewer")):
        read_bytes(request=opened, by=User.objects.get(username=by), now=sql.now())
    with pytest.raises(NotOpened):
        _unread(request, "talent-reviewer")
    read_bytes(request=request, by=reviewer, now=sql.now())
    change(request, "second-reviewer", payload={"to": ["bob@acme.com"]})
    request.refresh_from_db()
    with pytest.raises(NotOpened):
        _unread(request, "talent-reviewer")
    assert not Vote.objects.exists()
    read_bytes(request=request, by=reviewer, now=sql.now())
    assert _unread(request, "talent-reviewer").state == "approved"


def test_who_wrote_a_revision_opens_it_where_the_queue_lets_them_approve_it(installation: Installation) -> None:
    _set_queue(editor_may_approve=True)
    request = hold_mail(installation)
    change(request, "talent-reviewer", payload={"to": ["bob@acme.com"]})
    request.refresh_from_db()
    with pytest.raises(NotOpened):
        _unread(request, "talent-reviewer")
    assert say(request, "talent-reviewer").state == "approved"


def test_a_quorum_counts_distinct_people(installation: Installation) -> None:
    _set_queue(quorum=2)
    request = hold_mail(installation)
    assert say(request, "talent-reviewer").state == "pending"
    assert say(request, "talent-reviewer").state == "pending"
    assert Vote.objects.count() == 1
    assert Entry.objects.filter(kind="approval.vote_replaced").count() == 1
    assert say(request, "second-reviewer").state == "approved"


def test_a_person_who_was_deactivated_counts_no_longer(installation: Installation) -> None:
    _set_queue(quorum=2)
    request = hold_mail(installation)
    say(request, "talent-reviewer")
    deactivate(user=User.objects.get(username="talent-reviewer"), by=installation.admin, now=sql.now())
    assert say(request, "second-reviewer").state == "pending"


@pytest.mark.parametrize("username", ["admin", "outsider", "auditor"])
def test_who_is_no_reviewer_of_the_queue_may_not_vote(installation: Installation, username: str) -> None:
    if username != "admin":
        make_person(username, Role.AUDITOR if username == "auditor" else Role.REVIEWER)
    request = hold_mail(installation)
    with pytest.raises(NotAReviewer):
        say(request, username)
    with pytest.raises(NotAReviewer):
        change(request, username, payload={"to": ["bob@acme.com"]})
    assert not Vote.objects.exists()


def test_who_issued_the_asking_key_may_not_vote_even_as_a_reviewer(installation: Installation) -> None:
    team = Team.objects.get(slug="talent")
    members = [*team.members.all(), installation.admin]
    save_team(slug="talent", name=team.name, lead=team.lead, members=members, by=installation.admin, now=sql.now())
    with pytest.raises(NotAReviewer, match="issued the key"):
        say(hold_mail(installation), "admin")


def test_the_owner_may_vote_unless_the_queue_says_otherwise(installation: Installation) -> None:
    _set_queue(owner_may_approve=False)
    with pytest.raises(NotAReviewer, match="own this agent"):
        say(hold_mail(installation), "talent-lead")
    _set_queue(owner_may_approve=True)
    assert say(hold_mail(installation, "other"), "talent-lead").state == "approved"


def test_the_author_of_a_revision_may_not_approve_it(installation: Installation) -> None:
    request = hold_mail(installation)
    change(request, "talent-reviewer", payload={"to": ["bob@acme.com"]})
    with pytest.raises(NotAReviewer, match="revision 2"):
        say(request, "talent-reviewer")
    assert say(request, "second-reviewer").state == "approved"
    assert grant_of(request).digest == current(request).digest


def test_an_edit_voids_votes_keeps_the_expiry_and_shows_both_digests(installation: Installation) -> None:
    _set_queue(quorum=2)
    request = hold_mail(installation)
    before, expires_at = current(request).digest, request.expires_at
    say(request, "second-reviewer")
    change(request, "talent-reviewer", payload={"to": ["bob@acme.com"]})
    assert say(request, "talent-lead").state == "pending"
    request.refresh_from_db()
    assert (request.revision, request.expires_at) == (2, expires_at)
    entry = Entry.objects.get(kind="approval.edited")
    assert (entry.before_digest, entry.after_digest) == (before, current(request).digest)


def test_an_edit_that_the_policy_denies_changes_nothing(installation: Installation) -> None:
    request = hold_mail(installation)
    with pytest.raises(RefusedByPolicy):
        change(request, "talent-reviewer", payload={"to": "not a list"})
    with pytest.raises(NothingChanged):
        change(request, "talent-reviewer", payload={"body": "Dear Jane", "to": ["jane@acme.com"]})
    request.refresh_from_db()
    assert request.revision == 1


def test_a_queue_without_edits_admits_none(installation: Installation) -> None:
    _set_queue(edits=False)
    with pytest.raises(EditsClosed):
        change(hold_mail(installation), "talent-reviewer", payload={"to": ["bob@acme.com"]})


def test_a_vote_carries_what_was_read(installation: Installation) -> None:
    request = hold_mail(installation)
    with pytest.raises(DigestMismatch):
        say(request, "talent-reviewer", digest="0" * 64)
    with pytest.raises(PreconditionFailed):
        say(request, "talent-reviewer", revision=2)


def test_expiry_is_compared_at_use(installation: Installation) -> None:
    request = hold_mail(installation)
    with pytest.raises(Expired):
        say(request, "talent-reviewer", now=request.expires_at)
    assert say(request, "talent-reviewer", now=request.expires_at - timedelta(microseconds=1)).state == "approved"


@pytest.mark.django_db(transaction=True)
def test_two_votes_at_once_complete_one_quorum_once() -> None:
    installation = build()
    _set_queue(quorum=2)
    for round_number in range(10):
        request = hold_mail(installation, f"mail-{round_number}")
        barrier = threading.Barrier(2)
        errors: list[BaseException] = []

        def cast(
            username: str,
            request: Any = request,
            barrier: threading.Barrier = barrier,
            errors: list[BaseException] = errors,
        ) -> None:
            try:
                barrier.wait()
                say(request, username)
            except BaseException as error:  # noqa: BLE001 - handed to the asserting thread
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=cast, args=(name,)) for name in ("talent-reviewer", "second-reviewer")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        request.refresh_from_db()
        assert request.state == "approved"
        assert Grant.objects.filter(approval=request).count() == 1
