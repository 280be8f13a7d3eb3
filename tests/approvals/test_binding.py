"""What is approved is what is executed, byte for byte: every other byte, number, letter and key is refused."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from approvals.models import ActionRevision, ApprovalRequest, Grant, Vote
from approvals.refusals import DigestMismatch
from audit.models import Entry
from audit.refusals import Invalid, Malformed, Refusal
from controlplane import gateway
from controlplane.gateway.bodies import action_digest
from tests.approvals.steps import ask, current, grant_of, principal_of, redeem, say
from tests.journeys.installation import Installation, build

pytestmark = pytest.mark.slow

PAYLOADS = 200
TO = ["jane@acme.com"]
LETTERS = 'abcxyz AZ09-_/.:"\\\n\té€аλ中\u200b\U0001f600'


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


def payloads() -> list[dict[str, Any]]:
    """Return payloads of every shape, always the same ones."""
    chance = random.Random(4)
    return [{"to": TO, **_mapping(chance, 2), "n": number} for number in range(PAYLOADS)]


def _mapping(chance: random.Random, depth: int) -> dict[str, Any]:
    return {f"k{place}{_text(chance, 2)}": _value(chance, depth) for place in range(chance.randint(1, 3))}


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randint(0, 6 if depth else 4)
    if kind == 5:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if kind == 6:
        return _mapping(chance, depth - 1)
    return (_text(chance, 12), chance.randint(-(2**53) + 1, 2**53 - 1), chance.choice([0.5, -1.25, 1e-7, 1234.5]),
            chance.choice([True, False]), None)[kind]  # fmt: skip


def _text(chance: random.Random, longest: int) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randint(0, longest)))


def hold(installation: Installation, key: str, payload: dict[str, Any]) -> ApprovalRequest:
    """Have an email with this payload held."""
    raw = json.dumps({"verb": "email.send", "payload": payload}).encode()
    answer = gateway.ask(principal=principal_of(installation), key=key, raw=_canonical_numbers(raw, payload))
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.get(decision=answer.id)


def _canonical_numbers(raw: bytes, payload: dict[str, Any]) -> bytes:
    """Python writes 1e-07; RFC 8785, which is asked for, 1e-7."""
    return raw.replace(b"1e-07", b"1e-7")


def flips(body: bytes) -> Iterator[bytes]:
    """Yield the body with each byte changed once, by each of three bits in turn."""
    for place, byte in enumerate(body):
        yield body[:place] + bytes([byte ^ (1, 32, 128)[place % 3]]) + body[place + 1 :]


def test_each_flipped_byte_of_each_payload_has_another_digest(installation: Installation) -> None:
    seen = 0
    for number, payload in enumerate(payloads()):
        request = hold(installation, f"k{number}", payload)
        body, digest = bytes(current(request).body), current(request).digest
        assert action_digest(body) == digest
        others = {action_digest(flipped) for flipped in flips(body)}
        assert digest not in others
        assert len(others) == len(body)
        seen += len(body)
        # The digest of one of them, chosen anew each time, is refused where it counts.
        flipped = list(flips(body))[number % len(body)]
        with pytest.raises(DigestMismatch):
            say(request, "talent-reviewer", digest=action_digest(flipped))
        say(request, "talent-reviewer")
        with pytest.raises(DigestMismatch):
            redeem(installation, request, f"r{number}", digest=action_digest(flipped))
        assert redeem(installation, request, f"r{number}").approved.canonical == body
    assert seen > 40_000
    assert Vote.objects.count() == Grant.objects.filter(state="redeemed").count() == PAYLOADS
    assert Entry.objects.filter(kind="security.payload_mismatch").count() == PAYLOADS


@pytest.mark.parametrize("number", [0, 57, 113])
def test_each_flipped_byte_is_refused_by_vote_and_redemption(installation: Installation, number: int) -> None:
    request = hold(installation, "one", payloads()[number])
    body = bytes(current(request).body)
    for flipped in flips(body):
        with pytest.raises(DigestMismatch):
            say(request, "talent-reviewer", digest=action_digest(flipped))
    assert not Vote.objects.exists()
    say(request, "talent-reviewer")
    for place, flipped in enumerate(flips(body)):
        with pytest.raises(DigestMismatch):
            redeem(installation, request, f"r{place}", digest=action_digest(flipped))
    assert grant_of(request).state == "issued"
    assert Entry.objects.filter(kind="security.payload_mismatch").count() == len(body)
    assert redeem(installation, request, "last").approved.canonical == body


def test_bytes_that_were_changed_where_they_lie_are_never_handed_out(installation: Installation) -> None:
    """Whoever writes to the table, past the application, changes what people approved: nobody executes it."""
    request = say(hold(installation, "one", {"to": TO, "body": "ab"}), "talent-reviewer")
    revision = ActionRevision.objects.get(request=request)
    body = bytes(revision.body)
    for place, flipped in enumerate(flips(body)):
        ActionRevision.objects.filter(pk=revision.pk).update(body=flipped)
        with pytest.raises(DigestMismatch):
            redeem(installation, request, f"r{place}", digest=revision.digest)
    ActionRevision.objects.filter(pk=revision.pk).update(body=body)
    assert redeem(installation, request, "last", digest=revision.digest).approved.canonical == body


TWINS: list[tuple[Any, Any]] = [
    (1, "1"), (1, True), (0, False), (0, None), (None, "null"), ("", None), ([], {}), ([1], 1), ([], [[]]),
    (1, 2), (10, 1), (-1, 1), (9007199254740991, 9007199254740990), (0.5, 0.25), (0.1, "0.1"),
    ("é", "e\u0301"), ("Å", "\u212b"), ("ﬁ", "fi"), ("a", "а"), ("O", "0"), ("l", "I"), ("½", "1/2"), ("K", "\u212a"),
    ("a b", "a\u00a0b"), ("ab", "a\u200bb"), ("a", "a "), ("a", "A"), ("ß", "ss"), ("١", "1"), ("ｐay", "pay"),
    ("a\nb", "a\r\nb"), ("\u202eabc", "abc"), ("-", "\u2010"), ("…", "..."), ({"a": 1}, {"A": 1}), ({"a": 1}, {"а": 1}),
    ([1, 2], [2, 1]), ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}),
]  # fmt: skip


def naive(one: Any, other: Any) -> bool:
    """The planted twin: comparing as people compare, by value, normalised."""
    same = [unicodedata.normalize("NFKC", json.dumps(each, ensure_ascii=False)).casefold() for each in (one, other)]
    return bool(same[0] == same[1] or one == other)


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: f"{twins[0]!r} and {twins[1]!r}")
def test_twins_are_two(installation: Installation, twins: tuple[Any, Any]) -> None:
    one, other = (hold(installation, f"k{n}", {"to": TO, "v": twin}) for n, twin in enumerate(twins))
    digests = [current(each).digest for each in (one, other)]
    assert digests[0] != digests[1]
    with pytest.raises(DigestMismatch):
        say(one, "talent-reviewer", digest=digests[1])
    say(one, "talent-reviewer")
    with pytest.raises(DigestMismatch):
        redeem(installation, one, digest=digests[1])


def test_the_naive_twin_takes_some_of_them_for_one() -> None:
    assert sum(naive(*twins) for twins in TWINS) >= 8


@pytest.mark.parametrize(
    "number",
    ["1.0", "1e0", "01", "-0", "0.10", "1E5", "+1", "1.", ".5", "0x1", "1_000", "NaN", "Infinity", "9007199254740993",
     "0.1000000000000000055511151231257827", "1e400", "100000000000000000000000"],
)  # fmt: skip
def test_a_number_has_one_form_and_others_are_no_request(installation: Installation, number: str) -> None:
    raw = f'{{"verb": "email.send", "payload": {{"to": ["jane@acme.com"], "v": {number}}}}}'.encode()
    with pytest.raises((Invalid, Malformed)):
        gateway.ask(principal=principal_of(installation), key="k", raw=raw)
    request = hold(installation, "held", {"to": TO, "v": 1})
    edit = f'{{"payload": {{"to": ["jane@acme.com"], "v": {number}}}}}'.encode()
    with pytest.raises(Refusal):
        gateway.edit(request_id=request.pk, revision=1, raw=edit, by=installation.admin)
    assert ActionRevision.objects.count() == 1


@pytest.mark.parametrize(
    "payload",
    ['{"to": ["jane@acme.com"], "to": ["eve@evil.example"]}', '{"to": ["jane@acme.com"], "a": {"b": 1, "b": 2}}',
     '{"to": ["jane@acme.com"], "a": 1, "\\u0061": 1}', '{"to": ["jane@acme.com"], "v": "\\ud800"}',
     '{"to": ["jane@acme.com"], "v": "\\u0000"}'],
)  # fmt: skip
def test_a_doubled_key_or_half_a_letter_is_no_request(installation: Installation, payload: str) -> None:
    with pytest.raises((Invalid, Malformed)):
        gateway.ask(
            principal=principal_of(installation),
            key="k",
            raw=f'{{"verb": "email.send", "payload": {payload}}}'.encode(),
        )
    assert not ApprovalRequest.objects.exists()


def test_the_order_of_keys_blanks_and_escapes_changes_nothing(installation: Installation) -> None:
    forms = (
        '{"verb":"email.send","payload":{"to":["jane@acme.com"],"a":{"x":1,"y":"é"}}}',
        '{ "payload" : {"a": {"y": "\\u00e9", "x": 1}, "to": ["jane@acme.com"] },\n "verb": "email.send" }',
    )
    first = gateway.ask(principal=principal_of(installation), key="k", raw=forms[0].encode())
    again = gateway.ask(principal=principal_of(installation), key="k", raw=forms[1].encode())
    assert (again.id, again.replayed) == (first.id, True)
    other = gateway.ask(principal=principal_of(installation), key="other", raw=forms[1].encode())
    assert other.digest == first.digest
    request = ApprovalRequest.objects.get(decision=first.id)
    say(request, "talent-reviewer", digest=other.digest)
    assert redeem(installation, request, digest=other.digest).grant.state == "redeemed"


def test_the_verb_the_amount_and_the_agent_are_bound_as_well(installation: Installation) -> None:
    request = hold(installation, "k", {"to": TO})
    value = json.loads(bytes(current(request).body))
    others = {
        "verb": "email.sent", "agent": "other", "environment": "staging", "units": 2,
        "destination": "email:eve@evil.example", "amount": {"value": "1.00", "currency": "USD"},
    }  # fmt: skip
    for name, changed in others.items():
        assert name in value
        raw = json.dumps({**value, name: changed}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        with pytest.raises(DigestMismatch):
            say(request, "talent-reviewer", digest=action_digest(raw))
    assert ask(installation, "k", verb="email.send", payload={"to": TO}).replayed
