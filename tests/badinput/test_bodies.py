"""Bodies of every write: what cannot be read, is too large, or says what no field admits. Nothing is ever written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from controlplane.api.bodies import MAX_INGEST
from controlplane.gateway.bodies import MAX_BODY
from tests.badinput import mutations
from tests.badinput.refusing import contents, counts, nothing_written, pointers, refused
from tests.badinput.samples import SAMPLES, Sample
from tests.controlplane.api.callers import agent
from tests.controlplane.api.scene import FORM, Scene, run, step

pytestmark = pytest.mark.slow

WITH_BODY = [route for route in SAMPLES if route.body is not None]


class Write:
    """One write, ready to be called badly."""

    def __init__(self, scene: Scene, route: Any) -> None:
        self.route = route
        self.sample: Sample = SAMPLES[route]
        call = self.sample.make(scene)
        self.body = call.body
        self.headers = call.headers
        self.path = route.fill(call.values)
        self.caller = self.sample.caller(scene)
        self.limit = MAX_INGEST if self.sample.is_report else MAX_BODY
        self.before = counts()

    def send(self, raw: bytes, **headers: str) -> Any:
        return self.caller.send(self.route.method, self.path, raw=raw, **{**self.headers, **headers})

    def refused(self, raw: bytes, status: int, code: str | None = None, *, family: str, **headers: str) -> Any:
        found = refused(self.send(raw, **headers), status, code, family=family)
        assert counts() == self.before
        return found


@pytest.fixture(params=WITH_BODY, ids=str)
def write(request: pytest.FixtureRequest, scene: Scene) -> Any:
    found = Write(scene, request.param)
    before = contents()
    yield found
    assert contents() == before, "a refused request left something"


def test_what_cannot_be_read_is_malformed(write: Write) -> None:
    for name, raw in mutations.UNREADABLE.items():
        assert write.refused(raw, 400, "malformed", family="malformed"), name


def test_other_kinds_and_encodings_are_not_read(write: Write) -> None:
    raw = json.dumps(write.body).encode()
    for media in mutations.OTHER_MEDIA:
        write.refused(raw, 415, "unsupported_media_type", family="media", Content_Type=media)
    for encoding in mutations.OTHER_ENCODINGS:
        write.refused(raw, 415, "unsupported_media_type", family="media", Content_Encoding=encoding)
    if not write.sample.is_report:
        write.refused(gzip.compress(raw), 415, "unsupported_media_type", family="media", Content_Encoding="gzip")


def test_what_is_too_large_is_refused(write: Write) -> None:
    padded = json.dumps(write.body).encode().ljust(write.limit + 1)
    write.refused(padded, 413, "too_large", family="size")
    if write.sample.is_report:
        for bomb in (b" " * 1_000_000, b" " * (MAX_INGEST + 1)):
            write.refused(gzip.compress(bomb), 413, "too_large", family="size", Content_Encoding="gzip")
        for broken in (b"x", gzip.compress(padded[:100])[:-4], gzip.compress(b"{}") + b"more"):
            write.refused(broken, 400, "malformed", family="size", Content_Encoding="gzip")


def test_one_wrong_field_is_refused_where_it_stands(write: Write) -> None:
    seen = 0
    for bad in mutations.wrong_fields(write.body, write.route.body):
        answer = write.send(bad.raw)
        assert answer.status_code == 422, (bad, answer.status_code, answer.content)
        found = refused(answer, 422, family="fields")
        # A number that no database holds ends the reading of a report, before anybody knows where it stands.
        where = "" if write.sample.is_report and "is huge" in bad.name else bad.pointer
        assert any(pointer.startswith(where) for pointer in pointers(found)), (bad, found["errors"])
        assert counts() == write.before, bad
        seen += 1
    assert seen >= 10


def test_text_that_no_store_can_hold_is_refused_where_it_stands(write: Write) -> None:
    if not write.sample.takes:
        assert write.route.path.endswith(("redeem", "ingest", "releases", "rollback", "simulate", "replays"))
        return
    for bad in mutations.bad_texts(write.body, write.sample.takes, is_report=write.sample.is_report):
        answer = write.send(bad.raw)
        # Reports are read loosely where nothing is signed, so only what cannot be kept at all stops them early.
        assert answer.status_code == 422, (bad.name, bad.raw[:200], answer.status_code, answer.content)
        found = refused(answer, 422, family="texts")
        assert any(pointer.startswith(bad.pointer) for pointer in pointers(found)), (bad.name, found["errors"])
        assert counts() == write.before, bad.name


def _item(change: Callable[[dict[str, Any]], dict[str, Any]], kind: str) -> dict[str, Any]:
    return change(run("b-1") if kind == "run" else step("b-2", "run-1"))


@pytest.mark.parametrize("kind", ["run", "step"])
def test_each_bad_item_of_a_batch_is_answered_for_itself(scene: Scene, kind: str) -> None:
    route = next(each for each in SAMPLES if each.path.endswith("runs" if kind == "run" else "steps"))
    good = run("b-1") if kind == "run" else step("b-2", "run-1")
    caller = agent(scene.world.text)
    bodies = [
        bad
        for bad in mutations.wrong_fields(good, route.body or {})
        if "is huge" not in bad.name and "whole body" not in bad.name
    ]
    assert len(bodies) > 60
    with nothing_written():
        for bad in bodies:
            answer = caller.send("POST", "/ingest", {"items": [json.loads(bad.raw)]})
            (result,) = answer.json()["results"]
            assert result["status"] == "invalid", bad
            assert result["errors"][0]["pointer"].startswith(bad.pointer), (bad, result)


def test_batches_end_at_five_hundred(scene: Scene) -> None:
    caller = agent(scene.world.text)
    with nothing_written():
        for number in (501, 5_000):
            answer = caller.send("POST", "/ingest", {"items": [{}] * number})
            refused(answer, 413, "too_large", family="size")
    assert caller.send("POST", "/ingest", {"items": [{}] * 500}).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": {"value": "820.00", "currency": "XXQ"}}, "/amount/currency"),
        ({"amount": {"value": "820.00", "currency": "usd"}}, "/amount/currency"),
        ({"amount": {"value": "-1", "currency": "USD"}}, "/amount/value"),
        ({"amount": {"value": "1e3", "currency": "USD"}}, "/amount/value"),
        ({"amount": {"value": "NaN", "currency": "USD"}}, "/amount/value"),
        ({"amount": {"value": "9" * 200, "currency": "USD"}}, "/amount/value"),
        ({"destination": "https://user:pw@jobs.example.com/"}, "/destination"),
        ({"destination": "https://jobs.example.com/../x"}, "/destination"),
        ({"destination": "https://jobs.example.com/%2e%2e/x"}, "/destination"),
        ({"destination": "https://jobs.example.com/a%2fb"}, "/destination"),
        # Not read before webhooks exist: an address that nobody checks must not be taken.
        ({"callback_url": "https://hooks.example.com/x"}, "/callback_url"),
        ({"callback_url": "http://169.254.169.254/latest/meta-data"}, "/callback_url"),
        ({"assignment_id": "a"}, "/assignment_id"),
    ],
)  # fmt: skip
def test_values_of_an_ask_that_mean_nothing_are_refused(scene: Scene, change: dict[str, Any], pointer: str) -> None:
    caller = agent(scene.world.text)
    with nothing_written():
        answer = caller.send("POST", "/actions", {**FORM, **change}, Idempotency_Key="k")
        found = refused(answer, 422, family="values")
    assert pointers(found)[0].startswith(pointer)


@pytest.mark.parametrize("bucket", ["input_uncached", "cache_read", "cache_write", "output", "reasoning"])
def test_negative_tokens_are_refused(scene: Scene, bucket: str) -> None:
    usage = {"provider": "openai", "model": "m", "input_uncached": 1, "output": 1, bucket: -1}
    with nothing_written():
        answer = agent(scene.world.text).send("POST", "/ingest", {"items": [step("n", "run-1", usage=usage)]})
    (result,) = answer.json()["results"]
    assert (result["status"], result["errors"][0]["pointer"]) == ("invalid", f"/usage/{bucket}")
