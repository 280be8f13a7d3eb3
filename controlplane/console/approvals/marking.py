"""The bytes laid out in lines, with what matters marked where it stands (pure).

The text is that of `controlplane.console.text.pretty`, character by character: marks lie over it,
they never change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from controlplane.console.approvals.lookalikes import unicode_form
from controlplane.console.text import INDENT
from registry.documents import join

_HOST: Final = re.compile(r"(?:https?://|@)((?:[^\s/?#@:\"'<>\\.]+\.)+[^\s/?#@:\"'<>\\.]{2,})")
_TAIL: Final = ",;)>]}"


@dataclass(frozen=True, slots=True)
class Tag:
    """What is said about a stretch of text.

    Attributes:
        tone: ``people`` for what was extracted, ``warn`` and ``bad`` for what should make one stop, ``still``.
        words: what is written behind it.
    """

    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a line, with what is said about it; most have no tags."""

    text: str
    tags: tuple[Tag, ...] = ()

    @property
    def tone(self) -> str:
        """The strongest tone among the tags."""
        tones = {tag.tone for tag in self.tags}
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
        members: list[tuple[str, str, Any]] = [
            (f"{_scalar(key)}: ", join(at, key), item) for key, item in value.items()
        ]
        brackets = "{}"
    elif isinstance(value, list) and value:
        members = [("", join(at, place), item) for place, item in enumerate(value)]
        brackets = "[]"
    else:
        yield [Span(f"{indent}{before}"), *_spans(value, tags.get(at, ()), hosts)]
        return
    yield [Span(f"{indent}{before}{brackets[0]}", tags.get(at, ()))]
    for place, (name, pointer, item) in enumerate(members):
        inner = list(_lines(item, indent + INDENT, name, pointer, tags, hosts))
        if place + 1 < len(members):
            inner[-1].append(Span(","))
        yield from inner
    yield [Span(f"{indent}{brackets[1]}")]


def _spans(value: Any, tags: tuple[Tag, ...], hosts: Mapping[str, tuple[Tag, ...]]) -> list[Span]:
    text = _scalar(value)
    if tags or not isinstance(value, str):
        return [Span(text, tags)]
    found: list[Span] = []
    end = 0
    for match in _HOST.finditer(text):
        host = match[1].rstrip(_TAIL)
        said = hosts.get(host, ())
        if said:
            start = match.start(1)
            found += [Span(text[end:start]), Span(host, said)]
            end = start + len(host)
    return [*found, Span(text[end:])]


def _scalar(value: Any) -> str:
    return rfc8785.dumps(value).decode()
