"""Bad bodies, made from a good one and from what the schema says of its fields."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.badinput.routes import resolved

# What stands in a JSON text where a marked string stood.
_HERE = "⟦here⟧"
_KINDS: dict[str, tuple[Any, ...]] = {
    "string": (7, True, [], {}),
    "integer": ("3", True, 1.5, [], {}),
    "number": ("3", True, [], {}),
    "boolean": ("yes", 1, [], {}),
    "array": ({}, "text", 7, True),
    "object": ([], "text", 7, True),
}
_BAD_FORMATS: dict[str, tuple[str, ...]] = {
    "date-time": ("soon", "", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z"),
    "uuid": ("none", "00000000-0000-7000-8000", "zzzzzzzz-0000-7000-8000-000000000000"),
}
_HUGE = (2**63, -(2**63), 10**40)


@dataclass(frozen=True, slots=True)
class Bad:
    """A body that must be refused.

    Attributes:
        name: what is wrong with it.
        raw: its bytes.
        pointer: where the answer must point; a prefix.
    """

    name: str
    raw: bytes
    pointer: str


def wrong_fields(good: Any, schema: dict[str, Any]) -> Iterator[Bad]:
    """Yield the good body with one field of a wrong kind, size or form at a time.

    Args:
        good: the sample's body.
        schema: of the body.
    """
    for pointer, field, holder in _fields(good, schema, ""):
        for name, value in _wrong_values(field):
            yield Bad(f"{pointer} {name}", _with(good, holder, pointer, value), pointer)
    for name in schema.get("required", ()):
        yield Bad(f"/{name} missing", json.dumps({k: v for k, v in good.items() if k != name}).encode(), f"/{name}")
    yield Bad("unknown field", json.dumps({**good, "surplus": 1}).encode(), "/surplus")
    yield Bad("unknown empty name", json.dumps({**good, "": 1}).encode(), "/")
    yield Bad("unknown name with a slash", json.dumps({**good, "a/b~c": 1}).encode(), "/a~1b~0c")
    for other in ([], None, "text", 7, True, [good]):
        yield Bad(f"whole body {type(other).__name__}", json.dumps(other).encode(), "")


def _fields(good: Any, schema: dict[str, Any], above: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield pointer and schema of each described field; of nested objects as well, where the sample has them."""
    for name, described in schema.get("properties", {}).items():
        field = resolved(described)
        yield f"{above}/{name}", field, above
        inner = good.get(name) if isinstance(good, dict) else None
        if isinstance(inner, dict) and "properties" in field:
            yield from _fields(inner, field, f"{above}/{name}")


def _wrong_values(field: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = field.get("type")
    for value in _KINDS.get(kind or "", ()):
        yield f"is {json.dumps(value)}", value
    if kind and not field.get("nullable"):
        yield "is null", None
    yield from _out_of_range(field)
    if kind == "array" and "items" in field and resolved(field["items"]).get("type") == "string":
        yield "holds a number", [7]


def _out_of_range(field: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = field.get("type")
    if "enum" in field and kind == "string":
        yield "is no word of its own", "no-such-word"
        yield "is empty", ""
    for text in _BAD_FORMATS.get(field.get("format", ""), ()):
        yield f"is {text!r}", text
    if "maxLength" in field:
        yield "is too long", "x" * (field["maxLength"] + 1)
    if "minimum" in field:
        yield "is too small", int(field["minimum"]) - 1
    if "maximum" in field and kind == "integer":
        yield "is too large", int(field["maximum"]) + 1
    if kind == "integer":
        for number in _HUGE:
            yield f"is huge: {number}", number


def _with(good: Any, holder: str, pointer: str, value: Any) -> bytes:
    changed = copy.deepcopy(good)
    place = changed
    for step in holder.split("/")[1:]:
        place = place[step]
    place[pointer.rsplit("/", 1)[1]] = value
    return json.dumps(changed).encode()


def bad_texts(good: Any, pointer: str, *, is_report: bool) -> Iterator[Bad]:
    """Yield the good body with one text replaced by what JSON can write and no store can hold.

    Args:
        good: the sample's body.
        pointer: of a field that holds text.
        is_report: whether numbers are read in any form.
    """
    marker = json.dumps(_HERE, ensure_ascii=False).encode()
    marked = json.dumps(_marked(good, pointer), ensure_ascii=False).encode()
    assert marked.count(marker) == 1
    for what, text in (
        ("NUL", rb'"\u0000"'), ("NUL inside", rb'"a\u0000b"'), ("high surrogate", rb'"\ud800"'),
        ("low surrogate", rb'"\udfff x"'), ("surrogates the wrong way", rb'"\udc00\ud800"'),
        ("NaN", b"NaN"), ("Infinity", b"Infinity"), ("-Infinity", b"-Infinity"), ("1e999", b"1e999"),
        ("NUL in a name", rb'{"a\u0000": 1}'), ("a name twice", b'{"a": 1, "a": 2}'),
    ):  # fmt: skip
        yield Bad(what, marked.replace(marker, text), pointer if not is_report else "")
    if not is_report:
        for what, text in (
            ("1.0", b"1.0"), ("1e2", b"1e2"), ("-0", b"-0"), ("0.10", b"0.10"), ("2^53", b"9007199254740992"),
            ("long number", b"1" * 4000), ("0.1's long twin", b"0.1000000000000000055511151231257827"),
        ):  # fmt: skip
            yield Bad(what, marked.replace(marker, text), pointer)
    for depth in (33, 2_000, 100_000):
        yield Bad(f"{depth} deep", marked.replace(marker, b"[" * depth + b"]" * depth), "")
    if not is_report:
        yield Bad("10,001 values", marked.replace(marker, b"[" + b"0," * 10_000 + b"0]"), "")


def _marked(good: Any, pointer: str) -> Any:
    changed = copy.deepcopy(good)
    place = changed
    *steps, last = pointer.split("/")[1:]
    for step in steps:
        place = place[step]
    place[last] = _HERE
    return changed


UNREADABLE: dict[str, bytes] = {
    "nothing": b"", "blank": b"  ", "cut off": b'{"a": ', "trailing comma": b'{"a": 1,}', "single quotes": b"{'a': 1}",
    "two values": b"{} {}", "comment": b"{/* */}", "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "invalid UTF-8": b'{"a": "\xff\xfe"}', "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "UTF-8 surrogate": b'{"a": "\xed\xa0\x80"}',
    "raw control character": b'{"a": "\x01"}', "raw NUL": b'{"a": "\x00"}', "hex number": b'{"a": 0x1}',
    "leading zero": b'{"a": 01}', "plus sign": b'{"a": +1}', "bare word": b"yes", "YAML": b"a: 1",
    "form": b"a=1&b=2",
}  # fmt: skip
OTHER_MEDIA = (
    "text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
    "application/json; charset=latin-1", "application/json; charset=utf-16", "application/jsonx", "text/json",
)  # fmt: skip
OTHER_ENCODINGS = ("br", "zstd", "deflate", "compress", "gzip, gzip", "utf-8", "x")
