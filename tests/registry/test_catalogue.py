"""The verb catalogue: entries with pointer errors, and what extraction counts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import (
    CAPABILITIES,
    DocumentInvalid,
    Extracted,
    Mismatch,
    dump_verb,
    extract,
    parse_verb,
    parse_verbs,
)
from registry.states import Capability

DOCUMENT: dict[str, Any] = {
    "form.submit": {"capability": "write", "destination": {"at": "/url"}},
    "email.send": {
        "capability": "notify",
        "destination": {"at": "/to/*", "as": "email"},
        "units": "count",
        "data_classes": ["pii"],
    },
    "payment.transfer": {
        "capability": "execute",
        "destination": {"at": "/account", "as": "account"},
        "amount": {"at": "/amount"},
    },
    "row.write": {"capability": "write", "units": {"at": "/meta/a~1b/0"}},
    "invite.send": {"capability": "notify", "destination": {"at": "/guests/*/mails/*", "as": "email"}},
    "report.read": {"capability": "read"},
}
VERBS = parse_verbs(DOCUMENT)
USD_820 = {"value": "820.00", "currency": "USD"}


@dataclass(frozen=True)
class Said:
    payload: object = None
    capability: str | None = None
    units: int | None = None
    amount: Money | None = None
    data_classes: frozenset[str] = frozenset()


def counts(verb: str, **said: Any) -> Extracted:
    found = extract(VERBS[verb], Said(**said))
    assert isinstance(found, Extracted), found
    return found


def mismatch(verb: str, **said: Any) -> str:
    found = extract(VERBS[verb], Said(**said))
    assert isinstance(found, Mismatch), found
    assert found.detail
    return found.pointer


def defects(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(DocumentInvalid) as refused:
        parse_verbs(document, at="/verbs")
    return [(problem.pointer, problem.code) for problem in refused.value.errors]


def test_entries_are_written_back_exactly() -> None:
    assert {name: dump_verb(spec) for name, spec in VERBS.items()} == DOCUMENT
    assert parse_verb("email.send", DOCUMENT["email.send"]) == VERBS["email.send"]


def test_capabilities_are_the_registrys() -> None:
    assert set(CAPABILITIES) == set(Capability.values)


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("Email.Send", {"capability": "read"}, [("", "invalid_name")]),
        ("a..b", {"capability": "read"}, [("", "invalid_name")]),
        ("a" * 121, {"capability": "read"}, [("", "invalid_name")]),
        ("a", {}, [("/capability", "missing")]),
        ("a", {"capability": "all"}, [("/capability", "unknown_value")]),
        ("a", {"capability": "read", "dest": 1}, [("/dest", "unknown_field")]),
        ("a", {"capability": "read", "destination": "/to"}, [("/destination", "wrong_type")]),
        ("a", {"capability": "read", "destination": {}}, [("/destination/at", "missing")]),
        ("a", {"capability": "read", "destination": {"at": "to"}}, [("/destination/at", "invalid_pointer")]),
        ("a", {"capability": "read", "destination": {"at": "/a~2"}}, [("/destination/at", "invalid_pointer")]),
        (
            "a",
            {"capability": "read", "destination": {"at": "/a", "as": "https"}},
            [("/destination/as", "invalid_name")],
        ),
        ("a", {"capability": "read", "units": "many"}, [("/units", "unknown_value")]),
        ("a", {"capability": "read", "units": "count"}, [("/units", "unknown_value")]),
        ("a", {"capability": "read", "units": 3}, [("/units", "wrong_type")]),
        ("a", {"capability": "read", "units": {"at": "/a/*"}}, [("/units/at", "invalid_pointer")]),
        ("a", {"capability": "read", "amount": {"at": "/a/*"}}, [("/amount/at", "invalid_pointer")]),
        ("a", {"capability": "read", "data_classes": ["PII"]}, [("/data_classes/0", "invalid_name")]),
        ("a", None, [("", "wrong_type")]),
    ],
)
def test_odd_entries_are_refused_with_a_pointer(name: str, entry: Any, expected: list[tuple[str, str]]) -> None:
    assert defects({name: entry}) == [(f"/verbs/{name}{pointer}", code) for pointer, code in expected]


def test_destinations_are_extracted_in_order_with_repetitions() -> None:
    found = counts("email.send", payload={"to": ["a@x.com", "b@x.com", "a@x.com"]}, data_classes=frozenset({"legal"}))
    assert (found.destinations, found.kind, found.units) == (("a@x.com", "b@x.com", "a@x.com"), "email", 3)
    assert found.data_classes == {"pii", "legal"}
    nested = {"guests": [{"mails": ["a", "b"]}, {"mails": ["c"]}]}
    assert counts("invite.send", payload=nested).destinations == ("a", "b", "c")


def test_without_pointers_the_declaration_counts() -> None:
    found = counts("report.read", units=7, amount=Money(Decimal(1), "EUR"))
    assert (found.destinations, found.units, found.amount) == (None, 7, Money(Decimal(1), "EUR"))
    assert counts("report.read").units == 1


def test_amounts_agree_by_value() -> None:
    payload = {"account": "DE1", "amount": USD_820}
    assert counts("payment.transfer", payload=payload, amount=Money(Decimal("820.0"), "USD")).amount == Money(
        Decimal(820), "USD"
    )
    for other in (Money(Decimal("820.01"), "USD"), Money(Decimal(820), "EUR")):
        assert mismatch("payment.transfer", payload=payload, amount=other) == "/amount"


def test_units_by_pointer() -> None:
    assert counts("row.write", payload={"meta": {"a/b": [12]}}).units == 12
    assert mismatch("row.write", payload={"meta": {"a/b": [12]}}, units=11) == "/units"
    for wrong in (0, -1, True, 1.0, "12", None, 2**53):
        assert mismatch("row.write", payload={"meta": {"a/b": [wrong]}}) == "/payload/meta/a~1b/0"


@pytest.mark.parametrize(
    ("verb", "said", "pointer"),
    [
        ("form.submit", {"payload": {"url": "x"}, "capability": "read"}, "/capability"),
        ("form.submit", {"payload": None}, "/payload/url"),
        ("form.submit", {"payload": {}}, "/payload/url"),
        ("form.submit", {"payload": {"url": ["x"]}}, "/payload/url"),
        ("form.submit", {"payload": {"url": "x"}, "units": 0}, "/units"),
        ("email.send", {"payload": {"to": []}}, "/payload/to/*"),
        ("email.send", {"payload": {"to": {"0": "a"}}}, "/payload/to/*"),
        ("email.send", {"payload": {"to": {"*": "a"}}}, "/payload/to/*"),
        ("email.send", {"payload": {"to": ["a", 1]}}, "/payload/to/1"),
        ("email.send", {"payload": {"to": ["a", "b"]}, "units": 1}, "/units"),
        ("invite.send", {"payload": {"guests": [{"mails": ["a"]}, {"mails": []}]}}, "/payload/guests/1/mails/*"),
        ("invite.send", {"payload": {"guests": [{"mails": ["a"]}, {}]}}, "/payload/guests/1/mails"),
        ("payment.transfer", {"payload": {"account": "DE1"}}, "/payload/amount"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_mismatch_with_its_place(verb: str, said: dict[str, Any], pointer: str) -> None:
    assert mismatch(verb, **said) == pointer


@pytest.mark.parametrize(
    ("amount", "pointer"),
    [
        ("820 USD", ""),
        ({**USD_820, "x": 1}, ""),
        ({**USD_820, "currency": "XXX"}, "/currency"),
        ({**USD_820, "value": 820}, "/value"),
    ],
)
def test_odd_money_in_the_payload_is_a_mismatch(amount: Any, pointer: str) -> None:
    payload = {"account": "DE1", "amount": amount}
    assert mismatch("payment.transfer", payload=payload) == f"/payload/amount{pointer}"


@pytest.mark.parametrize(
    "value", ["-1", "+1", "1e3", "NaN", "Infinity", "01", ".5", "5.", "1,000", "", "١", "1.0000000001", "1" * 19]
)
def test_money_is_plain_decimal_text(value: str) -> None:
    with pytest.raises(AmountInvalid):
        parse_money({"value": value, "currency": "USD"})


@pytest.mark.parametrize("currency", ["usd", "XXX", "XAU", "US", "", None, "DEM", ["USD"]])
def test_unknown_currencies_are_refused(currency: Any) -> None:
    with pytest.raises(AmountInvalid) as refused:
        parse_money({"value": "1", "currency": currency})
    assert refused.value.pointer == "/currency"


@given(st.text(max_size=20))
def test_odd_payloads_never_break_extraction(text: str) -> None:
    for payload in (text, [text], {text: text}, {"to": text}, {"to": [[text]]}, {"amount": {text: text}}):
        for verb in VERBS.values():
            assert isinstance(extract(verb, Said(payload=payload)), Extracted | Mismatch)
