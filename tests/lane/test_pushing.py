"""Server push: who may listen, what they hear of what they may see, where they go on, when it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from audit import operations as trail
from audit import sql
from controlplane.lane import news, pushing
from controlplane.lane.pushing import MOST_IDS, Pending, Stream
from registry.models import User
from registry.operations import deactivate
from registry.states import Role
from tests.approvals.steps import FORM, ask, hold_mail, say
from tests.journeys.installation import Installation, build
from tests.lane.driving import Call, Driven, driven_lane
from tests.setup.processes import eventually
from tests.world import make_person

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def installation() -> Installation:
    found = build()
    make_person("somebody", Role.OPERATOR, now=sql.now())
    trail.seal(now=sql.now())
    return found


@pytest.fixture
def lane(installation: Installation) -> Iterator[Driven]:
    with driven_lane() as driven:
        yield driven


def _session(username: str) -> SessionStore:
    user = User.objects.get(username=username)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


def _listen(lane: Driven, who: str | SessionStore, query: str = "", **headers: str) -> Call:
    session = _session(who) if isinstance(who, str) else who
    stream = lane.get(f"/events{query}", cookie=f"sessionid={session.session_key}", **headers)
    stream.read_until(b"event: beat")
    assert (stream.status, stream.answered["content-type"]) == (200, "text/event-stream")
    return stream


def _seal() -> None:
    trail.seal(now=sql.now())


def _heard(stream: Call) -> dict[str, dict[str, Any]]:
    events = re.findall(r"event: (\w+)\ndata: (.+)\n", stream.body.decode())
    return {kind: json.loads(data) for kind, data in events if kind not in {"beat", "end"}}


@pytest.mark.postgres_smoke
def test_a_reviewer_hears_of_a_held_action_by_its_id(lane: Driven, installation: Installation) -> None:
    stream = _listen(lane, "talent-reviewer")
    request = hold_mail(installation)
    _seal()
    stream.read_until(b"event: approval")
    assert _heard(stream) == {"approval": {"count": 1, "ids": [str(request.pk)], "more": False}}
    say(request, "talent-reviewer")
    _seal()
    eventually(lambda: stream.body.count(b"event: approval") == 2)


@pytest.mark.slow
def test_events_carry_kinds_and_ids_and_never_content(lane: Driven, installation: Installation) -> None:
    stream = _listen(lane, "admin")
    request = hold_mail(installation)
    _seal()
    stream.read_until(b"event: decision")
    assert _heard(stream)["decision"]["ids"] == [str(request.decision_id)]
    for word in (b"jane", b"email", b"talent", b"job-applier", b"outreach"):
        assert word not in stream.body


def test_nobody_hears_of_what_they_may_not_see(lane: Driven, installation: Installation) -> None:
    stranger, owner = _listen(lane, "somebody"), _listen(lane, "talent-lead")
    ask(installation, "form", **FORM)
    hold_mail(installation)
    _seal()
    owner.read_until(b"event: decision")
    until = news.newest()
    eventually(lambda: all(stream.seq == until for stream in lane.lane.pushing.streams))
    assert _heard(stranger) == {}
    # A naive reader, which leaves it to the page, would tell them that something is going on.
    assert news.between(0, until) != []
    assert news.visible(User.objects.get(username="somebody").pk, news.between(0, until)) == []


def test_somebody_without_a_session_is_refused(lane: Driven, installation: Installation) -> None:
    nobody = lane.get("/events")
    nobody.running.result(10)
    assert (nobody.status, nobody.body) == (401, b"")
    owes = make_person("new", Role.REVIEWER, now=sql.now())
    User.objects.filter(pk=owes.pk).update(must_change_password=True)
    refused = lane.get("/events", cookie=f"sessionid={_session('new').session_key}")
    refused.running.result(10)
    assert refused.status == 401
    keyed = lane.get("/events", authorization=f"Bearer {installation.key}")
    keyed.running.result(10)
    assert keyed.status == 401


def test_only_the_consoles_own_pages_may_read(lane: Driven, installation: Installation) -> None:
    own = _listen(lane, "admin", origin=live_settings.PUBLIC_URL)
    assert own.answered["access-control-allow-origin"] == live_settings.PUBLIC_URL
    assert own.answered["access-control-allow-credentials"] == "true"
    session = _session("admin")
    for origin in ("http://evil.example", "null", f"{live_settings.PUBLIC_URL}.evil.example", "http://127.0.0.1:1"):
        foreign = lane.get("/events", cookie=f"sessionid={session.session_key}", origin=origin)
        foreign.running.result(10)
        assert foreign.status == 403
        assert not [name for name in foreign.answered if name.startswith("access-control")]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["logged out", "deactivated", "epoch"])
def test_a_stream_ends_with_the_right_to_it(lane: Driven, installation: Installation, end: str) -> None:
    assert pushing.CHECK_SECONDS <= 15, "the promise is 30 s"
    lane.lane.pushing.check = 0.1
    session = _session("talent-reviewer")
    stream = _listen(lane, session)
    stream.read_until(b"event: beat\ndata: {}\n\nid")
    if end == "logged out":
        session.delete()
    elif end == "deactivated":
        deactivate(user=User.objects.get(username="talent-reviewer"), by=installation.admin, now=sql.now())
    else:
        User.objects.filter(username="talent-reviewer").update(session_epoch=5)
    stream.running.result(10)
    assert stream.body.endswith(b"event: end\ndata: {}\n\n")
    assert (lane.lane.pushing.streams, lane.lane.seats.number) == (set(), 0)


@pytest.mark.slow
def test_who_comes_back_hears_what_they_missed(lane: Driven, installation: Installation) -> None:
    first = _listen(lane, "admin")
    known = re.findall(r"id: (\d+)", first.body.decode())[-1]
    first.leave()
    first.running.result(10)
    request = hold_mail(installation)
    _seal()
    again = _listen(lane, "admin", last_event_id=known)
    again.read_until(b"event: decision")
    assert _heard(again)["approval"]["ids"] == [str(request.pk)]
    other = _listen(lane, "admin", f"?after={known}")
    other.read_until(b"event: decision")
    lost = _listen(lane, "admin", "?after=999999999")
    lost.read_until(b"event: budget")
    assert all(told == {"count": 0, "ids": [], "more": True} for told in _heard(lost).values())


@pytest.mark.slow
def test_leaving_and_stopping_free_everything(lane: Driven, installation: Installation) -> None:
    streams = [_listen(lane, "admin") for _ in range(3)]
    streams[0].leave()
    streams[0].running.result(10)
    assert (len(lane.lane.pushing.streams), lane.lane.seats.number) == (2, 2)
    lane.stop()
    for stream in streams[1:]:
        stream.running.result(10)
        assert stream.body.endswith(b"event: end\ndata: {}\n\n")
    assert (lane.lane.pushing.streams, lane.lane.seats.number) == (set(), 0)


def test_a_flood_names_few_ids_and_says_so() -> None:
    pending = Pending()
    for seq in range(MOST_IDS + 10):
        pending.add(news.News(seq, sql.read_key("0" * 32), news.NewsKind.RUN, str(seq)))
    assert (pending.count, len(pending.ids), pending.more) == (MOST_IDS + 10, MOST_IDS, True)


def test_the_web_process_pushes_nothing(client: Any, installation: Installation) -> None:
    client.force_login(installation.admin)
    assert client.get("/events").status_code == 404
    assert client.get("/events", headers={"Controlplane-Lane": "1"}).status_code == 404


def test_what_is_known_is_not_told_twice() -> None:
    async def scenario() -> None:
        stream = Stream(1, 10)
        stream.add([news.News(10, sql.read_key("0" * 32), news.NewsKind.RUN, "a")], until=10)
        assert not stream.pending
        stream.add([news.News(11, sql.read_key("0" * 32), news.NewsKind.RUN, "b")], until=12)
        assert stream.take() == b'id: 12\nevent: run\ndata: {"count":1,"ids":["b"],"more":false}\n\n'

    import asyncio

    asyncio.run(scenario())
