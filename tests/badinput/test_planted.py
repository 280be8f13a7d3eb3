"""Faults that these tests must catch, planted: each is a careless twin of what the product does."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from audit.refusals import Invalid
from controlplane.gateway.bodies import convert
from runs import redaction
from tests.badinput.mutations import wrong_fields
from tests.secrets.canaries import FORMS

_SCHEMA = {"type": "object", "required": ["reason"], "properties": {"reason": {"type": "string", "maxLength": 10}}}
_GOOD = {"reason": "odd"}


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = msgspec.field()


class _Lax(msgspec.Struct):
    reason: str = msgspec.field()


def _accepted(form: type[Any]) -> set[str]:
    found = set()
    for bad in wrong_fields(_GOOD, _SCHEMA):
        try:
            convert(json.loads(bad.raw), form)
        except Invalid:
            continue
        found.add(bad.name)
    return found


def test_an_endpoint_that_takes_unknown_fields_is_caught() -> None:
    surplus = {"unknown field", "unknown empty name", "unknown name with a slash"}
    assert _accepted(_Lax) - _accepted(_Strict) == surplus
    assert not surplus & _accepted(_Strict)


def test_each_form_of_a_secret_is_redacted_and_a_missing_pattern_is_caught() -> None:
    kept = [each.name for each in FORMS if each.core in redaction.redact_text(f"it said {each.text} again")]
    assert kept == []
    # The same without one of the alternatives: its canaries show.
    for alternative in (
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"|\bwhsec_[A-Za-z0-9+/=]{16,}",
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    ):
        pattern = redaction._SHAPES.pattern
        assert alternative in pattern
        without = re.compile(pattern.replace(alternative, ""), re.DOTALL)
        assert _kept(without) > _kept(redaction._SHAPES), alternative


def _kept(pattern: re.Pattern[str]) -> set[str]:
    return {each.name for each in FORMS if each.core in pattern.sub("", each.text)}
