"""The bytes laid out in lines, with what matters marked where it stands (pure).

The text is that of `controlplane.console.text.pretty`, character by character: marks lie over it,
they never change it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import rfc8785

from controlplane.console.approvals.findings import NEUTRAL, Finding, Tag, find
from controlplane.console.approvals.lookalikes import unicode_form
from controlplane.console.text import INDENT
from registry.documents import join

_HOST: Final = re.compile(r"(?i)(?://|@|(?<![\w.@/])www\.)((?:[^\s/?#@:\"'<>\\.]+\.)+[^\s/?#@:\"'<>\\.]{2,})")
_TAIL: Final = ",;)>]}"
DESTINATION: Final = Tag("people", "destination")
UNITS: Final = Tag("people", "units")
AMOUNT: Final = Tag("people", "amount")
EXTRACTED: Final = frozenset({DESTINATION, UNITS, AMOUNT})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a line, with what is said about it; most have no tags.

    Attributes:
        text: the characters.
        tags: what is said about it.
        around: tags of the whole value of which this is a part; they are written once, behind its end.
    """

    text: str
    tags: tuple[Tag, ...] = ()
    around: tuple[Tag, ...] = ()

    @property
    def tone(self) -> str:
        """The strongest tone among the tags, its own or those around."""
        tones = {tag.tone for tag in (*self.tags, *self.around)}
        return next((tone for tone in ("bad", "warn", "people") if tone in tones), "")


Line = tuple[Span, ...]


def lay_out(value: Any, tags: Mapping[str, tuple[Tag, ...]], hosts: Mapping[str, tuple[Tag, ...]]) -> tuple[Line, ...]:
    """Lay a JSON value out in lines.

    Args:
        value: parsed.
        tags: by JSON pointer: what is said of the value there.
        hosts: by host, as written: what is said of it wherever it stands in text.
    """
    return tuple(tuple(line) for line in _lines(value, "", "", "", tags, hosts))


def text_of(lines: Iterable[Line]) -> str:
    """Return the text without its marks."""
    return "\n".join("".join(span.text for span in line) for line in lines)


def hosts_in(value: Any) -> list[str]:
    """Return the hosts that stand in URLs and addresses anywhere in a value, in order, each once."""
    found: dict[str, None] = {}
    for text in _texts(value):
        for match in _HOST.finditer(text):
            found.setdefault(match[1].rstrip(_TAIL), None)
    return list(found)


def tags_of_host(host: str) -> tuple[Tag, ...]:
    """Say of a host what its letters hide: punycode, or characters that are not plain."""
    shown = unicode_form(host.lower())
    if shown != host.lower():
        return (Tag("warn", f"punycode: {shown}"),)
    if not host.isascii():
        return (Tag("warn", "not plain letters"),)
    return ()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _lines(
    value: Any,
    indent: str,
    before: str,
    at: str,
    tags: Mapping[str, tuple[Tag, ...]],
    hosts: Mapping[str, tuple[Tag, ...]],
) -> Iterator[list[Span]]:
    if isinstance(value, Mapping) and value:
        # One pointer at a time: all of those under a long key would be many times as large as the value.
        members: Iterator[tuple[str, str, Any]] = ((_scalar(key), join(at, key), item) for key, item in value.items())
        brackets = "{}"
    elif isinstance(value, list) and value:
        members = (("", join(at, place), item) for place, item in enumerate(value))
        brackets = "[]"
    else:
        yield [Span(indent), *_name(before, hosts), *_spans(value, tags.get(at, ()), hosts)]
        return
    yield [Span(indent), *_name(before, hosts), Span(brackets[0], tags.get(at, ()))]
    for place, (name, pointer, item) in enumerate(members):
        inner = list(_lines(item, indent + INDENT, name, pointer, tags, hosts))
        if place + 1 < len(value):
            inner[-1].append(Span(","))
        yield from inner
    yield [Span(f"{indent}{brackets[1]}")]


def _name(name: str, hosts: Mapping[str, tuple[Tag, ...]]) -> list[Span]:
    return [*_parted(name, (), find(name, hosts)), Span(": ")] if name else []


def _spans(value: Any, tags: tuple[Tag, ...], hosts: Mapping[str, tuple[Tag, ...]]) -> list[Span]:
    text = _scalar(value)
    if not isinstance(value, str):
        return [Span(text, tags)]
    found = find(text, hosts)
    if any(tag in EXTRACTED for tag in tags):
        # What it is stands in its tags already, with its host; only what misleads is said besides.
        known = {*tags, *NEUTRAL}
        found = [replace(each, tags=said) for each in found if (said := _besides(each.tags, known))]
    if _is_json(value):
        tags = (*tags, Tag("still", "JSON inside text"))
    return _parted(text, tags, found)


def _besides(tags: Iterable[Tag], known: Collection[Tag]) -> tuple[Tag, ...]:
    return tuple(tag for tag in tags if tag not in known)


def _parted(text: str, tags: tuple[Tag, ...], found: Iterable[Finding]) -> list[Span]:
    """Cut a text at its findings; what is said of the whole stands behind its end."""
    spans: list[Span] = []
    end = 0
    for each in found:
        spans += [Span(text[end : each.start], (), tags), Span(text[each.start : each.end], each.tags)]
        end = each.end
    return [span for span in spans if span.text] + [Span(text[end:], tags)]


def _is_json(text: str) -> bool:
    """Whether a text is JSON of its own, which its executor may read as such."""
    if not text.strip().startswith(("{", "[")):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _scalar(value: Any) -> str:
    return rfc8785.dumps(value).decode()
