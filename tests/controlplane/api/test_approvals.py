"""Held actions over HTTP: what is read and by whom, votes and edits that name what they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from approvals.models import Vote
from audit.canonical import digest_bytes
from audit.models import Entry
from controlplane.gateway.bodies import ACTION_DOMAIN
from tests.controlplane.api.callers import Caller, agent, person, pointers, problem
from tests.controlplane.api.scene import MAIL, Scene


def _read(caller: Caller, held: Any) -> tuple[dict[str, Any], str]:
    answer = caller.get(f"/approvals/{held.pk}")
    assert answer.status_code == 200, answer.content
    return answer.json(), answer["ETag"]


def _vote(caller: Caller, held: Any, *, etag: str | None, digest: str, verdict: str = "approve", **more: Any) -> Any:
    headers = {} if etag is None else {"If_Match": etag}
    body = {"verdict": verdict, "digest": digest, **more}
    return caller.send("POST", f"/approvals/{held.pk}/votes", body, **headers)


def test_a_reviewer_reads_the_exact_bytes_and_the_trail_says_so(scene: Scene) -> None:
    body, etag = _read(person(scene.world.reviewer), scene.held)
    assert etag == '"1"'
    assert (body["id"], body["state"], body["revision"]) == (str(scene.held.pk), "pending", 1)
    assert body["action"]["payload"] == MAIL["payload"]
    assert json.loads(body["canonical"]) == body["action"]
    assert digest_bytes(ACTION_DOMAIN, body["canonical"].encode()) == body["digest"]
    assert body["size"] == len(body["canonical"].encode())
    assert body["votes"] == []
    assert body["reasons"][0]["rule"] == "mail"
    read = Entry.objects.get(kind="payload.read")
    assert (read.actor_id, read.object_id, read.after_digest) == (
        "talent-reviewer", str(scene.held.pk), body["digest"],
    )  # fmt: skip


@pytest.mark.parametrize("who", ["admin", "operator", "auditor"])
def test_who_may_not_read_the_bytes_gets_digest_and_size(scene: Scene, who: str) -> None:
    body, _ = _read(person(getattr(scene.world, who)), scene.held)
    assert body["action"] is None
    assert body["canonical"] is None
    assert len(body["digest"]) == 64
    assert body["size"] > 0
    assert b"jane" not in json.dumps(body).encode()
    assert not Entry.objects.filter(kind="payload.read").exists()


def test_after_closing_reviewers_keep_digest_and_votes_and_not_the_bytes(scene: Scene) -> None:
    caller = person(scene.world.reviewer)
    body, etag = _read(caller, scene.held)
    closed = _vote(caller, scene.held, etag=etag, digest=body["digest"], comment="fine")
    assert closed.json()["state"] == "approved"
    again, _ = _read(caller, scene.held)
    assert again["action"] is None
    assert again["digest"] == body["digest"]
    vote = again["votes"][0]
    assert (vote["voter"], vote["verdict"], vote["comment"]) == ("talent-reviewer", "approve", "fine")


def test_a_vote_needs_the_etag_that_was_read(scene: Scene) -> None:
    caller = person(scene.world.reviewer)
    body, _ = _read(caller, scene.held)
    problem(_vote(caller, scene.held, etag=None, digest=body["digest"]), 428, "precondition_required")
    for stale in ('"2"', "1", 'W/"1"', "*", '"1", "2"', '"one"', '"0"', '"01"', '"99999999999"'):
        problem(_vote(caller, scene.held, etag=stale, digest=body["digest"]), 412, "precondition_failed")
    assert _vote(caller, scene.held, etag='"1"', digest=body["digest"]).status_code == 200


def test_a_vote_names_the_bytes_that_were_read(scene: Scene) -> None:
    caller = person(scene.world.reviewer)
    problem(_vote(caller, scene.held, etag='"1"', digest="0" * 64), 409, "payload_mismatch")
    found = problem(_vote(caller, scene.held, etag='"1"', digest="short"), 422)
    assert pointers(found)[0][0] == "/digest"
    body, _ = _read(caller, scene.held)
    found = problem(_vote(caller, scene.held, etag='"1"', digest=body["digest"], verdict="perhaps"), 422)
    assert pointers(found)[0][0] == "/verdict"


def test_who_knows_the_digest_and_never_read_the_bytes_approves_nothing(scene: Scene) -> None:
    reader, unread = person(scene.world.reviewer), person(scene.world.second)
    digest = _read(reader, scene.held)[0]["digest"]
    problem(_vote(unread, scene.held, etag='"1"', digest=digest), 409, "not_opened")
    assert not Vote.objects.exists()
    assert not Entry.objects.filter(kind="approval.voted").exists()
    _read(unread, scene.held)
    assert _vote(unread, scene.held, etag='"1"', digest=digest).json()["state"] == "approved"


def test_who_never_read_the_bytes_may_still_reject(scene: Scene) -> None:
    digest = _read(person(scene.world.reviewer), scene.held)[0]["digest"]
    answer = _vote(person(scene.world.second), scene.held, etag='"1"', digest=digest, verdict="reject")
    assert answer.json()["state"] == "rejected"


@pytest.mark.parametrize(
    ("who", "status"), [("admin", 403), ("operator", 403), ("auditor", 403), ("stranger", 404), ("reviewer", 200)]
)
def test_votes_are_the_reviewers(scene: Scene, who: str, status: int) -> None:
    body, etag = _read(person(scene.world.reviewer), scene.held)
    answer = _vote(person(getattr(scene.world, who)), scene.held, etag=etag, digest=body["digest"])
    if status == 200:
        assert answer.status_code == 200
    else:
        problem(answer, status)


def test_a_closed_request_takes_no_vote(scene: Scene) -> None:
    caller = person(scene.world.reviewer)
    body, etag = _read(caller, scene.held)
    assert _vote(caller, scene.held, etag=etag, digest=body["digest"], verdict="reject").json()["state"] == "rejected"
    other = person(scene.world.second)
    problem(_vote(other, scene.held, etag=etag, digest=body["digest"]), 409, "already_decided")


def test_an_edit_makes_a_new_revision_and_old_votes_stale(scene: Scene) -> None:
    editor, approver = person(scene.world.reviewer), person(scene.world.second)
    old, etag = _read(approver, scene.held)
    path = f"/approvals/{scene.held.pk}/action"
    change = {"payload": {"to": ["bob@acme.com"], "body": "Dear Bob"}}
    problem(editor.send("PUT", path, change), 428, "precondition_required")
    problem(editor.send("PUT", path, change, If_Match='"7"'), 412, "precondition_failed")
    edited = editor.send("PUT", path, change, If_Match=etag)
    assert edited.status_code == 200, edited.content
    assert edited["ETag"] == '"2"'
    new = edited.json()
    assert (new["revision"], new["author"]) == (2, "talent-reviewer")
    assert new["digest"] != old["digest"]
    assert (new["action"], new["canonical"]) == (None, None)
    assert new["expires_at"] == old["expires_at"]
    problem(_vote(approver, scene.held, etag=etag, digest=old["digest"]), 412, "precondition_failed")
    problem(_vote(editor, scene.held, etag='"2"', digest=new["digest"]), 403, "not_a_reviewer")
    seen, etag = _read(approver, scene.held)
    assert seen["action"]["payload"] == change["payload"]
    assert _vote(approver, scene.held, etag=etag, digest=seen["digest"]).json()["state"] == "approved"


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"verb": "form.submit"}, 422, "/verb"),
        ({"units": 0}, 422, "/units"),
        ({"units": 2}, 422, ""),
        ({"destination": "email:eve@acme.com"}, 422, ""),
        ({"amount": {"value": "1"}}, 422, "/amount/currency"),
        ({}, 409, None),
    ],
)
def test_an_edit_that_cannot_be_says_why(
    scene: Scene, change: dict[str, Any], status: int, pointer: str | None
) -> None:
    answer = person(scene.world.reviewer).send("PUT", f"/approvals/{scene.held.pk}/action", change, If_Match='"1"')
    found = problem(answer, status)
    if pointer is not None:
        assert pointers(found)[0][0] == pointer


@pytest.mark.parametrize(("who", "status"), [("admin", 403), ("operator", 403), ("stranger", 404)])
def test_edits_are_the_reviewers(scene: Scene, who: str, status: int) -> None:
    change = {"payload": {"to": ["bob@acme.com"]}}
    caller = person(getattr(scene.world, who))
    problem(caller.send("PUT", f"/approvals/{scene.held.pk}/action", change, If_Match='"1"'), status)


def test_an_agents_key_neither_reads_nor_votes(scene: Scene) -> None:
    machine = agent(scene.world.text)
    problem(machine.get(f"/approvals/{scene.held.pk}"), 401)
    problem(_vote(machine, scene.held, etag='"1"', digest="0" * 64), 401)
