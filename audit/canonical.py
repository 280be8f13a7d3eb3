"""Strict JSON in, canonical JSON out, and digests over it.

The reader admits exactly those texts of which only one canonical form exists: no duplicate
keys, no number written in another way than RFC 8785 writes it, nothing that one of the two
databases could not hold. The writer is RFC 8785 (JSON Canonicalization Scheme).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import rfc8785

from audit.refusals import Invalid, Malformed, Problem

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_INTEGER = 2**53 - 1
# Defects that one answer tells.
MOST_PROBLEMS = 100
_LONGEST_TOKEN = 200

# Where a value stands: (place of what holds it, its key or index); None is the whole.
Place: TypeAlias = "tuple[Place | None, str | int]"

# NUL breaks PostgreSQL's text, a lone surrogate breaks every later reading on SQLite.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Bad:
    """Stands in the parsed tree where a defect was, until the walk knows its pointer."""

    code: str
    detail: str


_NOT_CANONICAL = _Bad("number_not_canonical", "Write the number in its RFC 8785 form.")
_TOO_LARGE = _Bad("number_out_of_range", "Numbers lie within ±(2^53−1); send larger ones as text.")


def _integer(text: str) -> int | _Bad:
    if text == "-0":
        return _NOT_CANONICAL
    if len(text) > 17:
        return _TOO_LARGE
    value = int(text)
    return value if -MAX_INTEGER <= value <= MAX_INTEGER else _TOO_LARGE


def _real(text: str) -> float | _Bad:
    value = float(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        return _TOO_LARGE
    return value if rfc8785.dumps(value) == text.encode() else _NOT_CANONICAL


def _constant(text: str) -> _Bad:
    return _Bad("not_json", f"{text} is not a JSON number.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                result[key] = _Bad("duplicate_key", "The key stands twice in one object.")
            seen.add(key)
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant)


def escape_pointer(token: str) -> str:
    """Escape one reference token of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def _visible(token: str) -> str:
    """Make a key safe to repeat in an answer."""
    return escape_pointer(_UNSTORABLE.sub("\ufffd", token))


def _text_defect(text: str) -> _Bad | None:
    if _UNSTORABLE.search(text) is None:
        return None
    return _Bad("unstorable_text", "Text must not hold NUL or lone surrogates.")


def _defects(root: Any, *, check_text: bool) -> Iterator[Problem]:
    """Walk a parsed tree without recursion and yield what is wrong with it, up to `MOST_PROBLEMS`.

    A place is a chain of keys that becomes a pointer only where something is wrong: written for each value, the
    pointers under one long key would be many times as large as the body.
    """
    nodes = 1
    stack: list[tuple[Any, Place | None, int]] = [(root, None, 1)]
    while stack:
        value, place, depth = stack.pop()
        kind = type(value)
        if kind is dict or kind is list:
            nodes += len(value)
            if nodes > MAX_NODES:
                yield Problem("", "too_many_nodes", f"At most {MAX_NODES} values are admitted.")
                return
            if depth > MAX_DEPTH:
                yield Problem(pointer_to(place), "too_deep", f"At most {MAX_DEPTH} levels are admitted.")
                continue
            if kind is dict and check_text:
                yield from _key_defects(value, place)
            pairs = value.items() if kind is dict else enumerate(value)
            stack.extend((item, (place, key), depth + 1) for key, item in pairs)
        elif kind is _Bad:
            yield Problem(pointer_to(place), value.code, value.detail)
        elif kind is str and check_text and (defect := _text_defect(value)):
            yield Problem(pointer_to(place), defect.code, defect.detail)


def _key_defects(value: dict[str, Any], place: Place | None) -> Iterator[Problem]:
    for key in value:
        if defect := _text_defect(key):
            yield Problem(pointer_to((place, key)), defect.code, defect.detail)


def pointer_to(place: Place | None) -> str:
    """Write the JSON pointer (RFC 6901) to a place; long keys are cut."""
    tokens = []
    while place is not None:
        place, key = place
        text = str(key)
        tokens.append(_visible(text if len(text) <= _LONGEST_TOKEN else f"{text[:_LONGEST_TOKEN]}…"))
    return "".join(f"/{token}" for token in reversed(tokens))


def _first(problems: Iterator[Problem]) -> list[Problem]:
    return list(islice(problems, MOST_PROBLEMS))


def loads(raw: bytes) -> Any:
    """Read strict JSON.

    Args:
        raw: the bytes of the body, UTF-8.

    Returns:
        The value; integers within ±(2^53−1), floats whose text was canonical.

    Raises:
        Malformed: not UTF-8 or not JSON.
        Invalid: JSON that has no single canonical form or cannot be stored, with pointers to the first defects.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The body is not valid UTF-8.") from error
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        problem = Problem("", "too_deep", f"At most {MAX_DEPTH} levels are admitted.")
        raise Invalid(problem.detail, errors=[problem]) from error
    except ValueError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from error
    # Bytes decoded as UTF-8 hold neither; only an escape can bring them in.
    problems = _first(_defects(value, check_text="\\u" in text))
    if problems:
        raise Invalid("The body has no single canonical form.", errors=problems)
    return value


def check(value: Any) -> None:
    """Hold an already parsed value to the same rules (YAML documents, imports).

    Raises:
        Invalid: with a pointer to each defect.
    """
    problems = _first(_defects(value, check_text=True))
    if problems:
        raise Invalid("The value cannot be stored.", errors=problems)


# The interpreter's own encoder writes RFC 8785's form of whatever `_is_plain` admits, at a fifth of the library's time.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True)


def _is_plain(value: Any) -> bool:
    """Say whether a value holds nothing whose canonical form takes more than the interpreter's encoder.

    That is: exact integers, and keys of ASCII, which sort by UTF-16 as they do by code point. Text counts as well,
    but for lone surrogates, which the library refuses.
    """
    kind = type(value)
    if kind is str:
        return value.isascii() or _UNSTORABLE.search(value) is None
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return value is None or kind is bool or (kind is int and -MAX_INTEGER <= value <= MAX_INTEGER)


def dumps(value: Any) -> bytes:
    """Write the RFC 8785 form.

    Raises:
        Invalid: the value has no canonical form (not finite, too large, not JSON).
    """
    try:
        return _ENCODER.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise Invalid(f"The value has no canonical JSON form: {error}") from error


def digest(domain: str, value: Any) -> str:
    """Return SHA-256 over a versioned domain and the RFC 8785 form, as 64 hex digits.

    Args:
        domain: what is digested, with a version, for example ``acp.action.v1``.
        value: any JSON value.
    """
    return digest_bytes(domain, dumps(value))


def digest_bytes(domain: str, raw: bytes) -> str:
    """Return SHA-256 over a versioned domain and bytes, as 64 hex digits."""
    return hashlib.sha256(domain.encode() + b"\n" + raw).hexdigest()


def commitment(salt: bytes, payload: bytes) -> str:
    """Return ``SHA-256(salt ‖ payload)`` as hex: proves a payload without holding it."""
    return hashlib.sha256(salt + payload).hexdigest()
