"""Long polls: parked while nothing is there, woken by what happened, answered by the application, bounded, let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from approvals.models import ApprovalRequest
from audit import sql
from controlplane.api import waiting
from controlplane.lane.bridge import Answer, Bridge, Scope
from controlplane.lane.watching import EVERY_SECONDS, Watcher, changed
from controlplane.parking import Kind, Ticket, Topic
from controlplane.wsgi import application
from registry.models import AgentKey, Command
from registry.operations import revoke_key, send_command
from tests.approvals.steps import hold_mail, say
from tests.journeys.installation import Installation, build
from tests.lane.driving import Call, Driven, driven_lane
from tests.setup.processes import eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def installation() -> Installation:
    return build()


@pytest.fixture
def lane(installation: Installation) -> Iterator[Driven]:
    with driven_lane() as driven:
        yield driven


def _poll(lane: Driven, installation: Installation, request: ApprovalRequest, wait: str = "30") -> Call:
    path = f"/api/v1/actions/{request.decision_id}?wait={wait}"
    return lane.get(path, authorization=f"Bearer {installation.key}")


def _parked(lane: Driven, number: int) -> None:
    eventually(lambda: lane.lane.seats.number == number)


@pytest.mark.postgres_smoke
def test_a_poll_waits_until_people_have_decided(lane: Driven, installation: Installation) -> None:
    request = hold_mail(installation)
    poll = _poll(lane, installation, request)
    _parked(lane, 1)
    assert poll.waits
    say(request, "talent-reviewer")
    body = poll.json
    assert (poll.status, body["approval"]["state"], body["grant"]["state"]) == (200, "approved", "issued")
    assert lane.lane.seats.number == 0
    assert not lane.lane.watcher.waiting


@pytest.mark.slow
def test_many_polls_for_one_decision_are_one_question(lane: Driven, installation: Installation) -> None:
    request = hold_mail(installation)
    polls = [_poll(lane, installation, request, "30s") for _ in range(20)]
    _parked(lane, 20)
    assert set(lane.lane.watcher.waiting) == {Topic(Kind.APPROVAL, request.pk)}
    say(request, "talent-reviewer", "reject")
    assert {poll.json["approval"]["state"] for poll in polls} == {"rejected"}


@pytest.mark.slow
def test_time_runs_out_and_the_answer_is_still_pending(lane: Driven, installation: Installation) -> None:
    poll = _poll(lane, installation, hold_mail(installation), "1")
    assert poll.json["approval"]["state"] == "pending"
    assert poll.status == 200


@pytest.mark.slow
def test_commands_wait_and_come(lane: Driven, installation: Installation) -> None:
    poll = lane.get("/api/v1/commands?wait=30", authorization=f"Bearer {installation.key}")
    _parked(lane, 1)
    send_command(agent=installation.agent, kind="stop", by=installation.admin, now=sql.now())
    assert [command["kind"] for command in poll.json["commands"]] == ["stop"]
    assert Command.objects.get().state == "delivered"
    # Handed out once: the next poll waits although the command is not acknowledged.
    again = lane.get("/api/v1/commands?wait=1", authorization=f"Bearer {installation.key}")
    assert again.json == {"commands": []}


def test_whoever_goes_away_is_forgotten(lane: Driven, installation: Installation) -> None:
    polls = [_poll(lane, installation, hold_mail(installation, f"mail-{number}")) for number in range(5)]
    _parked(lane, 5)
    for poll in polls:
        poll.leave()
        poll.running.result(5)
    assert all(poll.status == 0 for poll in polls)
    assert (lane.lane.seats.number, lane.lane.open, dict(lane.lane.watcher.waiting)) == (0, 0, {})
    assert not lane.lane.seats.taken


def test_a_key_revoked_meanwhile_hears_nothing(lane: Driven, installation: Installation) -> None:
    request = hold_mail(installation)
    poll = _poll(lane, installation, request)
    _parked(lane, 1)
    revoke_key(key=AgentKey.objects.get(), by=installation.admin, now=sql.now())
    say(request, "talent-reviewer", "reject")
    assert (poll.json["code"], poll.status) == ("unauthenticated", 401)


def test_beyond_the_seats_a_poll_is_answered_at_once(lane: Driven, installation: Installation, settings: Any) -> None:
    request = hold_mail(installation)
    lane.lane.seats.each = 2
    held = [_poll(lane, installation, request) for _ in range(2)]
    _parked(lane, 2)
    third = _poll(lane, installation, request)
    assert (third.json["approval"]["state"], third.status) == ("pending", 200)
    assert third.answered["retry-after"] == "5"
    lane.lane.seats.each, lane.lane.seats.total = 100, 2
    fourth = _poll(lane, installation, request)
    assert fourth.json["effect"] == "review"
    assert all(poll.waits for poll in held)


@pytest.mark.slow
def test_stopping_answers_everybody(lane: Driven, installation: Installation) -> None:
    polls = [_poll(lane, installation, hold_mail(installation, f"mail-{number}")) for number in range(3)]
    _parked(lane, 3)
    lane.stop()
    assert {(poll.json["approval"]["state"], poll.answered["retry-after"]) for poll in polls} == {("pending", "5")}
    late = _poll(lane, installation, hold_mail(installation, "late"))
    assert late.json["approval"]["state"] == "pending"


def test_refusals_are_the_applications(lane: Driven, installation: Installation) -> None:
    request = hold_mail(installation)
    path = f"/api/v1/actions/{request.decision_id}"
    nobody = lane.get(f"{path}?wait=30")
    assert (nobody.json["code"], nobody.status) == ("unauthenticated", 401)
    assert nobody.answered["www-authenticate"]
    bearer = f"Bearer {installation.key}"
    assert lane.get(f"{path}?wait=soon", authorization=bearer).json["code"] == "bad_query"
    assert lane.get(f"/api/v1/actions/{installation.admin.pk}?wait=9", authorization=bearer).json["status"] == 404
    assert lane.lane.seats.number == 0


def test_nothing_else_is_served(lane: Driven, installation: Installation) -> None:
    for path in ("/", "/api/v1/agents", "/api/v1/actions", "/metrics", "/login/", "/home/", "/api/v1/actions/1/redeem"):
        assert lane.get(path).json["status"] == 404
    request = hold_mail(installation)
    bearer = f"Bearer {installation.key}"
    call = lane.get(f"/api/v1/actions/{request.decision_id}", method="DELETE", authorization=bearer)
    assert call.json["status"] == 404
    request.refresh_from_db()
    assert request.state == "pending"


def test_a_lane_that_fails_says_so_in_each_apis_own_shape(lane: Driven, installation: Installation) -> None:
    lane.lane.bridge.close()
    where = installation.admin.pk
    ours = lane.get(f"/api/v1/actions/{where}?wait=9")
    assert (ours.json["code"], ours.status) == ("unavailable", 503)
    assert ours.answered["content-type"] == "application/problem+json"
    theirs = lane.get(f"/aap/v1/requests/{where}?wait=9s")
    told = theirs.json["error"]
    assert (told["type"], told["code"], theirs.status) == ("dependency", "unavailable", 503)
    assert set(told) == {"type", "code", "message", "request_id"}
    assert ours.answered["retry-after"] == theirs.answered["retry-after"] == "1"
    other = lane.get(f"/aap/v1/requests/{where}", method="DELETE")
    assert (other.json["error"]["code"], other.status) == ("not_found", 404)


def test_no_header_is_a_ticket(installation: Installation, client: Any) -> None:
    """What marks the lane's own requests cannot be sent: the web process waits as ever, and not longer."""
    request = hold_mail(installation)
    seats = [waiting._seats.acquire(blocking=False) for _ in range(waiting.MOST_WAITERS)]
    try:
        answer = client.get(
            f"/api/v1/actions/{request.decision_id}?wait=60",
            headers={"Authorization": f"Bearer {installation.key}", "Controlplane.Lane": "1", "Controlplane-Lane": "1"},
        )
    finally:
        for _ in filter(None, seats):
            waiting._seats.release()
    assert answer.json()["approval"]["state"] == "pending"


@pytest.mark.slow
def test_the_watcher_asks_once_for_all(installation: Installation, django_assert_num_queries: Any) -> None:
    requests = [hold_mail(installation, f"mail-{number}") for number in range(4)]
    say(requests[2], "talent-reviewer")
    topics = [Topic(Kind.APPROVAL, request.pk) for request in requests]
    with django_assert_num_queries(1):
        assert changed(topics) == {topics[2]}
    assert EVERY_SECONDS <= 0.25, "what clients are promised"


class _EdgeTriggered(Watcher):
    """A naive watcher: it reports what changes while it looks, and takes what has changed before for known."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher.pool, self._news, every=0.05)
        self.known: dict[Topic, bool] = {}

    def _news(self, topics: Any) -> set[Topic]:
        found = changed(topics)
        fresh = {topic for topic in topics if self.known.get(topic) is False and topic in found}
        self.known |= {topic: topic in found for topic in topics}
        return fresh


@pytest.mark.slow
@pytest.mark.parametrize("naive", [False, True])
def test_a_decision_between_asking_and_waiting_is_not_missed(
    lane: Driven, installation: Installation, naive: bool
) -> None:
    request = hold_mail(installation)
    polls = lane.lane.polls
    if naive:
        polls.watcher = _EdgeTriggered(lane.lane.watcher)
        running = asyncio.run_coroutine_threadsafe(polls.watcher.run(), lane.loop)

    class Between(Bridge):
        """The application, and people who decide the moment after its first answer."""

        decided = False

        async def ask(self, scope: Scope, ticket: Ticket) -> Answer:
            answer = await lane.lane.bridge.ask(scope, ticket)
            if not self.decided:
                self.decided = True
                await asyncio.get_running_loop().run_in_executor(lane.lane.bridge.pool, decide)
            return answer

    def decide() -> None:
        say(request, "talent-reviewer")
        connection.close()

    polls.bridge = Between(application, threads=1)
    # The twin waits to the end.
    longest = 3 if naive else 40
    poll = _poll(lane, installation, request, str(longest))
    began = time.monotonic()
    state = poll.json["approval"]["state"]
    waited = time.monotonic() - began
    polls.bridge.close()
    if naive:
        running.cancel()
        assert waited > longest - 1, "the naive watcher was to be caught"
    else:
        assert (state, waited < longest - 1) == ("approved", True)
