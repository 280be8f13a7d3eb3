"""Bodies: read strictly, refused with a pointer; too large, of another kind, badly packed."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from tests.controlplane.api.callers import Caller, agent, person, pointers, problem
from tests.controlplane.api.scene import FORM, run
from tests.world import World

ID = "00000000-0000-7000-8000-000000000000"
DIGEST = "0" * 64
# Every write: who, method, path, a body that is read, headers.
WRITES: dict[str, tuple[str, str, str, Any, dict[str, str]]] = {
    "ask": ("agent", "POST", "/actions", FORM, {"Idempotency_Key": "k"}),
    "redeem": ("agent", "POST", f"/actions/{ID}/redeem", {"digest": DIGEST}, {"Idempotency_Key": "k"}),
    "outcome": ("agent", "POST", f"/actions/{ID}/outcome", {"status": "failed"}, {}),
    "acknowledge": ("agent", "POST", f"/commands/{ID}/ack", {"status": "failed"}, {}),
    "report run": ("agent", "POST", "/runs", {k: v for k, v in run("r").items() if k != "type"}, {}),
    "change run": ("agent", "PATCH", "/runs/{run}", {"status": "failed"}, {}),
    "ingest": ("agent", "POST", "/ingest", {"items": []}, {}),
    "pause": ("person", "POST", "/agents/job-applier/pause", {"reason": "r"}, {}),
    "resume": ("person", "POST", "/agents/job-applier/resume", {}, {}),
    "command": ("person", "POST", "/agents/job-applier/commands", {"kind": "stop"}, {}),
    "version": ("person", "POST", "/versions", {"agent": "job-applier", "definition": {}}, {}),
    "promote": (
        "person", "POST", "/releases", {"agent": "job-applier", "version": 1, "environment": "staging"}, {},
    ),
    "roll back": ("person", "POST", "/releases/rollback", {"agent": "job-applier", "environment": "staging"}, {}),
    "draft": ("person", "POST", "/policies", {"policies": {}}, {}),
    "publish": ("person", "POST", "/policies/1/publish", {"reason": "r"}, {"If_Match": f'"{"0" * 64}"'}),
    "restore": ("person", "POST", "/policies/1/rollback", {"reason": "r"}, {}),
    "simulate": ("person", "POST", "/policies/simulate", {"agent": "job-applier", "action": FORM}, {}),
}  # fmt: skip
REPORTS = {"report run", "change run", "ingest"}


@pytest.fixture(params=WRITES)
def write(request: pytest.FixtureRequest, ruled: World) -> Any:
    """Return a name, a sample body, and a function that sends raw bytes to one write."""
    who, method, path, body, headers = WRITES[request.param]
    caller: Caller = agent(ruled.text) if who == "agent" else person(ruled.admin)
    if "{run}" in path:
        known = caller.send("POST", "/ingest", {"items": [run("known")]}).json()
        path = path.format(run=known["results"][0]["id"])

    def send(raw: bytes, **more: str) -> Any:
        return caller.send(method, path, raw=raw, **headers, **more)

    return request.param, body, send


def test_a_write_that_is_read_is_not_refused_for_its_body(write: Any) -> None:
    _, body, send = write
    assert send(json.dumps(body).encode()).status_code not in {400, 413, 415, 422, 500}


def test_bodies_that_cannot_be_read_are_malformed(write: Any) -> None:
    _, _, send = write
    for raw in (b"", b"{", b"\xff\xfe{}", b'{"a": 1,}', b"{'a': 1}", b"\xef\xbb\xbf{}", b"{} {}"):
        problem(send(raw), 400, "malformed")


def test_other_kinds_and_encodings_are_unsupported(write: Any) -> None:
    name, body, send = write
    raw = json.dumps(body).encode()
    for media in ("text/plain", "", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        problem(send(raw, Content_Type=media), 415, "unsupported_media_type")
    problem(send(raw, Content_Encoding="br"), 415, "unsupported_media_type")
    if name not in REPORTS:
        problem(send(gzip.compress(raw), Content_Encoding="gzip"), 415, "unsupported_media_type")


def test_bodies_over_the_limit_are_too_large(write: Any) -> None:
    name, _, send = write
    limit = (5 if name in REPORTS else 1) * 1024 * 1024
    problem(send(b" " * (limit + 1)), 413, "too_large")


def test_unknown_fields_and_other_shapes_are_invalid_with_a_pointer(write: Any) -> None:
    _, body, send = write
    found = problem(send(json.dumps({**body, "surplus": 1}).encode()), 422)
    assert pointers(found) == [("/surplus", "unknown_field")]
    for other in (b"[]", b"null", b'"text"', b"7"):
        found = problem(send(other), 422)
        assert pointers(found)[0][0] == ""


def test_a_key_that_stands_twice_is_invalid_with_its_pointer(write: Any) -> None:
    _, body, send = write
    inner = json.dumps(body)[1:-1]
    raw = ("{" + (inner + ", " if inner else "") + '"extra": {"a": 1, "a": 2}}').encode()
    assert ("/extra/a", "duplicate_key") in pointers(problem(send(raw), 422))


def test_depth_is_bounded(write: Any) -> None:
    _, _, send = write
    for depth in (40, 5_000, 100_000):
        raw = b'{"a":' * depth + b"1" + b"}" * depth
        assert problem(send(raw), 422)["errors"], depth


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"n": 1.0}', "number_not_canonical"),
        ('{"n": 0.10}', "number_not_canonical"),
        ('{"n": 1e2}', "number_not_canonical"),
        ('{"n": -0}', "number_not_canonical"),
        ('{"n": 0.1000000000000000055511151231257827}', "number_not_canonical"),
        ('{"n": 9007199254740993}', "number_out_of_range"),
        ('{"n": 1e400}', "number_out_of_range"),
        ('{"n": NaN}', "not_json"),
        ('{"n": "\\u0000"}', "unstorable_text"),
        ('{"n": "\\ud800"}', "unstorable_text"),
    ],
)
def test_an_action_has_one_canonical_form(ruled: World, payload: str, code: str) -> None:
    raw = f'{{"verb": "form.submit", "payload": {payload}}}'.encode()
    answer = agent(ruled.text).send("POST", "/actions", raw=raw, Idempotency_Key="k")
    assert pointers(problem(answer, 422)) == [("/payload/n", code)]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"units": 0}, "/units"),
        ({"units": "3"}, "/units"),
        ({"verb": 5}, "/verb"),
        ({"amount": {"value": "820.00", "currency": "XXQ"}}, "/amount/currency"),
        ({"amount": {"value": "-1", "currency": "USD"}}, "/amount/value"),
        ({"amount": {"value": "1", "currency": "USD", "x": 1}}, "/amount/x"),
        ({"destination": "https://user:pw@jobs.example.com/"}, "/destination"),
        ({"estimated_cost_nanousd": -1}, "/estimated_cost_nanousd"),
        ({"provenance": {"/a": "dream"}}, "/provenance/..."),
        ({"surplus": True}, "/surplus"),
        ({"data_classes": ["pii", 7]}, "/data_classes/1"),
    ],
)
def test_a_bad_field_of_an_action_is_named(ruled: World, change: dict[str, Any], pointer: str) -> None:
    answer = agent(ruled.text).send("POST", "/actions", {**FORM, **change}, Idempotency_Key="k")
    assert pointers(problem(answer, 422))[0][0] == pointer


def test_a_payload_over_its_own_limit_is_too_large(ruled: World) -> None:
    big = {**FORM, "payload": {"url": "https://jobs.example.com/", "text": "x" * (256 * 1024)}}
    problem(agent(ruled.text).send("POST", "/actions", big, Idempotency_Key="k"), 413, "too_large")


def test_reports_may_be_packed_but_not_too_tightly(ruled: World) -> None:
    caller = agent(ruled.text)

    def send(raw: bytes) -> Any:
        return caller.send("POST", "/ingest", raw=raw, Content_Encoding="gzip")

    plain = json.dumps({"items": [run("r")]}).encode()
    assert send(gzip.compress(plain)).json()["results"][0]["status"] == "created"
    problem(send(gzip.compress(b" " * 1_000_000)), 413, "too_large")
    problem(send(plain), 400, "malformed")
    problem(send(gzip.compress(plain)[:-4]), 400, "malformed")
    problem(send(gzip.compress(plain) + b"more"), 400, "malformed")


def test_a_chunked_body_is_read_although_nobody_said_its_length(ruled: World) -> None:
    raw = json.dumps({"items": [run("r")]}).encode()
    answer = agent(ruled.text).client.post(
        "/api/v1/ingest",
        headers={"Authorization": f"Bearer {ruled.text}", "Transfer-Encoding": "chunked"},
        **{"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": "", "CONTENT_TYPE": "application/json"},
    )
    assert answer.json()["results"][0]["status"] == "created", answer.content
