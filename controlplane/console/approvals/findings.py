"""What stands in a text and should be seen: links, addresses, amounts, and what is meant to mislead (pure).

Every finding is a stretch of the text as it is shown, which is its JSON form. Neutral findings say
what something is; the others say why to stop. Nothing here decides anything: a text without
findings is not safe, it is only plain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final


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
class Finding:
    """A stretch of text, from `start` to before `end`, and what is said about it."""

    start: int
    end: int
    tags: tuple[Tag, ...]


LINK: Final = Tag("people", "link")
ADDRESS: Final = Tag("people", "address")
AMOUNT: Final = Tag("people", "amount")
NEUTRAL: Final = frozenset({LINK, ADDRESS, AMOUNT})

_URL: Final = re.compile(r"(?i)\b(?:https?|ftp|wss?)://([^\s/?#\"'<>\\]+)")
# A lookbehind or a bound in each: a hostile text of 256 KiB must not cost more than its length.
_MAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]+@((?:[^\s/?#@:\"'<>\\.,;()]+\.)+[^\s/?#@:\"'<>\\.,;()]{2,})")
_SCHEME: Final = re.compile(r"(?i)(?<![\w.])(data|javascript|vbscript|file|blob|intent):(?=[^\s\"])")
_MONEY: Final = re.compile(r"[$€£¥]\s?[0-9][0-9.,]{0,24}|(?<![\w.])[0-9][0-9.,]{0,24}\s?(?:USD|EUR|GBP|CHF|JPY)\b")
_NUMBERS: Final = re.compile(r"(?i)(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}")
_BLANKS: Final = re.compile(r"(?: |\\[nrt]){12,}")
# A link without a scheme, as mail programs and browsers take it.
_BARE: Final = re.compile(r"(?i)(?<!:)//([^\s/?#@:\"'<>\\,;()]{1,253})|(?<![\w.@/])www\.([^\s/?#@:\"'<>\\,;()]{1,253})")
_MARKDOWN: Final = re.compile(r"(?i)\[([^\]\n]{1,200})\]\(<?(?:(?:https?:)?//)?([^\s/)>\"]{1,253})")
_ANCHOR: Final = re.compile(
    r"(?i)<a(?:\s|\\[nrt])[^>]{0,200}?href=(?:\\?[\"'])?(?:(?:https?:)?//)?([^\s/\"'>\\]{1,253}+)[^>]{0,200}+>([^<]{1,200}+)<"
)
_HTML: Final = re.compile(
    r"(?i)</?(?:a|b|body|br|div|form|html|i|iframe|img|input|link|meta|object|p|script|span|style|svg)\b[^<>]{0,300}>?"
    r"|<!--(?:.{0,300}?-->)?"
)
_ANSI: Final = re.compile(r"\\u(?:001b|009b)\[[0-9;?]*[A-Za-z]?")
_ENDINGS: Final = re.compile(
    r"(?i)\.(?:csv|docx?|gif|jpe?g|pdf|png|pptx?|txt|xlsx?|zip)[\s_]*"
    r"\.(?:app|bat|cmd|com|exe|hta|html?|iso|jar|js|lnk|msi|ps1|scr|sh|vbs)\b"
)
_CLAIM: Final = re.compile(
    r"(?i)\b(?:pre-?approved|already approved|approved by|auto-?approved?|no (?:further )?review (?:is )?needed"
    r"|ignore (?:all |any )?previous|safe to approve|verified by)\b"
)
_HOSTLIKE: Final = re.compile(r"(?i)(?:https?://)?((?:[^\s/?#@:.]+\.)+[^\s/?#@:.]{2,})")
_WORD: Final = re.compile(r"[^\W\d_]+")
_DRAWN_OVER: Final = frozenset("\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20e5\u20eb")
_DOTTED: Final = frozenset("ijіј")
_MARKS_IN_A_ROW: Final = 2
# Words in which these meet are written to be taken for one of them.
_ALPHABETS: Final = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")


def find(text: str, hosts: Mapping[str, tuple[Tag, ...]]) -> list[Finding]:
    """Find what should be seen in a text, in order; what overlaps becomes one finding.

    Args:
        text: as it is shown.
        hosts: by host, as written: what is said of it wherever it stands.
    """
    found = sorted((each for look in _LOOKS for each in look(text, hosts)), key=lambda each: (each.start, -each.end))
    if not text.isascii():
        found = sorted([*found, *_of_characters(text)], key=lambda each: (each.start, -each.end))
    merged: list[Finding] = []
    for each in found:
        if merged and each.start < merged[-1].end:
            last = merged[-1]
            tags = tuple(dict.fromkeys((*last.tags, *each.tags)))
            merged[-1] = Finding(last.start, max(last.end, each.end), tags)
        else:
            merged.append(each)
    return merged


def _links(text: str, hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
    for match in _URL.finditer(text):
        place = match[1].rstrip(",;)>]}.")
        start = match.start(1)
        user, at, host = place.rpartition("@")
        if at:
            yield Finding(start, start + len(user) + 1, (Tag("bad", "no host: it stands before @"),))
            start += len(user) + 1
        name, _, port = host.partition(":") if not host.startswith("[") else (host, "", "")
        said = list(hosts.get(name, ()))
        if host.startswith("[") or _NUMBERS.fullmatch(name):
            said.append(Tag("warn", "an address in numbers"))
        if not said and not name.isascii():
            said.append(Tag("warn", "not plain letters"))
        if port and port not in {"80", "443"}:
            said.append(Tag("warn", f"port {port}"))
        if host:
            yield Finding(start, start + len(host), (*said, LINK))


def _addresses(text: str, hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
    for match in _MAIL.finditer(text):
        if not text.endswith("//", 0, match.start()):
            plain = match[0].rpartition("@")[0].isascii()
            said = () if plain else (Tag("warn", "not plain letters before @"),)
            yield Finding(match.start(), match.end(), (*hosts.get(match[1], ()), *said, ADDRESS))


def _bare(text: str, hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
    """Hosts without a scheme before them, where there is a reason to stop: the rest is too often no link."""
    for match in _BARE.finditer(text):
        place = 1 if match[1] else 2
        name = match[place].rstrip(".")
        said = hosts.get(name, ())
        if said:
            yield Finding(match.start(place), match.start(place) + len(name), (*said, LINK))


def _schemes(text: str, _hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
    for match in _SCHEME.finditer(text):
        yield Finding(match.start(), match.end(), (Tag("bad", f"a {match[1].lower()}: link"),))


def _disguises(text: str, _hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
    """Links whose words name another host than the one that they lead to."""
    pairs = [(match, match[1], match[2]) for match in _MARKDOWN.finditer(text)]
    pairs += [(match, match[2], match[1]) for match in _ANCHOR.finditer(text)]
    for match, words, leads in pairs:
        named = _HOSTLIKE.search(words)
        target = leads.rpartition("@")[2].partition(":")[0].lower()
        if named and "." in target and named[1].lower() != target:
            yield Finding(match.start(), match.end(), (Tag("bad", f"says {named[1]}, leads to {target}"),))


def _plainly(pattern: re.Pattern[str], say: Callable[[re.Match[str]], Tag]) -> Callable[..., Iterator[Finding]]:
    def look(text: str, _hosts: Mapping[str, tuple[Tag, ...]]) -> Iterator[Finding]:
        for match in pattern.finditer(text):
            yield Finding(match.start(), match.end(), (say(match),))

    return look


def _blanks(match: re.Match[str]) -> Tag:
    number = len(match[0]) - match[0].count("\\")
    return Tag("warn", f"{number} blanks in a row")


_LOOKS: Final[tuple[Callable[[str, Mapping[str, tuple[Tag, ...]]], Iterable[Finding]], ...]] = (
    _links,
    _addresses,
    _bare,
    _schemes,
    _disguises,
    _plainly(_MONEY, lambda _: AMOUNT),
    _plainly(_BLANKS, _blanks),
    _plainly(_HTML, lambda _: Tag("still", "HTML, shown as text")),
    _plainly(_ANSI, lambda _: Tag("warn", "a terminal's command")),
    _plainly(_ENDINGS, lambda match: Tag("warn", f"ends in {match[0].rpartition('.')[2]}, not what stands before")),
    _plainly(_CLAIM, lambda _: Tag("warn", "the agent's claim; nobody else says so")),
)


def _of_characters(text: str) -> Iterator[Finding]:
    yield from _marks(text)
    for match in _WORD.finditer(text):
        word = match[0]
        if word.isascii():
            continue
        alphabets = {_alphabet(character) for character in word} - {""}
        if len(alphabets) > 1:
            words = " and ".join(sorted(name.title() for name in alphabets))
            yield Finding(match.start(), match.end(), (Tag("bad", f"{words} letters in one word"),))
        plain = unicodedata.normalize("NFKC", word)
        if plain != word and plain.isascii():
            yield Finding(match.start(), match.end(), (Tag("warn", f"drawn letters: {plain}"),))


def _marks(text: str) -> Iterator[Finding]:
    """Marks that are drawn over letters: several in a row, or one that strikes its letter through or encloses it."""
    start, number, over = 0, 0, False
    for place, character in enumerate(f"{text} "):
        if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
            start = place if not number else start
            number += 1
            # A dot above a letter that has one already is drawn as nothing.
            unseen = character == "\u0307" and text[place - 1 : place] in _DOTTED
            over = over or unseen or character in _DRAWN_OVER or unicodedata.category(character) == "Me"
            continue
        if number >= _MARKS_IN_A_ROW or over:
            words = f"{number} marks on one letter" if number > 1 else "a mark drawn over its letter"
            yield Finding(max(0, start - 1), place, (Tag("warn", words),))
        number, over = 0, False


def _alphabet(character: str) -> str:
    name = unicodedata.name(character, "")
    return next((alphabet for alphabet in _ALPHABETS if name.startswith(alphabet)), "")
