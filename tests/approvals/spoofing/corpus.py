"""Payloads that are written to mislead whoever approves them, and the mark that each must bear.

A mark is text of the rendered page: a boxed character (``U+202E``), a tag behind the stretch that
it is about, or, where showing the characters as they are is the whole defence, their escaped form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controlplane.console.approvals.lookalikes import Domains

KNOWN = Domains({"acme.com", "paypal.com", "example.org", "github.com"})


@dataclass(frozen=True, slots=True)
class Trick:
    """One payload.

    Attributes:
        name: what is tried.
        payload: what the agent wants executed.
        marks: each stands on the page.
        never: none stands on the page.
    """

    name: str
    payload: Any
    marks: tuple[str, ...]
    never: tuple[str, ...] = ()


def _text(name: str, text: str, *marks: str, never: tuple[str, ...] = ()) -> Trick:
    return Trick(name, {"body": text}, marks, never)


def _boxed(name: str, character: str) -> Trick:
    box = f">U+{ord(character):04X}<"
    return _text(f"{name} hidden in a word", f"pay{character}ment", box, "pay<", never=(f"pay{character}ment",))


_INVISIBLE = {
    "right-to-left override": "\u202e", "left-to-right override": "\u202d", "right-to-left embedding": "\u202b",
    "left-to-right embedding": "\u202a", "pop directional formatting": "\u202c", "right-to-left isolate": "\u2067",
    "left-to-right isolate": "\u2066", "first strong isolate": "\u2068", "pop isolate": "\u2069",
    "right-to-left mark": "\u200f", "left-to-right mark": "\u200e", "arabic letter mark": "\u061c",
    "zero-width space": "\u200b", "zero-width joiner": "\u200d", "zero-width non-joiner": "\u200c",
    "word joiner": "\u2060", "byte order mark": "\ufeff", "soft hyphen": "\u00ad", "invisible times": "\u2062",
    "mongolian vowel separator": "\u180e", "hangul filler": "\u3164", "halfwidth hangul filler": "\uffa0",
    "braille blank": "\u2800", "combining grapheme joiner": "\u034f", "no-break space": "\u00a0",
    "em space": "\u2003", "ideographic space": "\u3000", "line separator": "\u2028", "paragraph separator": "\u2029",
    "variation selector": "\ufe0f", "supplementary variation selector": "\U000e0101",
    "tag letter": "\U000e0061", "private use character": "\ue000", "interlinear anchor": "\ufff9",
    "mongolian free variation selector": "\u180b", "its fourth": "\u180f", "khitan filler": "\U00016fe4",
    "musical null notehead": "\U0001d159",
}  # fmt: skip

_HOSTS = {
    "Cyrillic a": ("https://аcme.com/pay", "looks like acme.com: is drawn like it", "not plain letters"),
    "punycode of it": ("https://xn--cme-5cd.com/pay", "looks like acme.com: is drawn like it", "punycode: аcme.com"),
    "rn for m": ("https://acrne.com/pay", "looks like acme.com: is drawn like it"),
    "digit one for l": ("https://paypa1.com/login", "looks like paypal.com: is drawn like it"),
    "one letter more": ("https://paypall.com/login", "looks like paypal.com: differs by one edit"),
    "one letter less": ("https://gihub.com/x", "looks like github.com: differs by one edit"),
    "two letters swapped": ("https://githbu.com/x", "looks like github.com: differs by one edit"),
    "two edits": ("https://exmaplle.org", "looks like example.org: differs by 2 edits"),
    "another ending": ("https://acme.co/pay", "looks like acme.com: differs by one edit"),
    "in an address": ("write to jane@acme.corn", "looks like acme.com", "address"),
    "userinfo": ("https://acme.com@evil.example/x", "no host: it stands before @", "evil.example"),
    "userinfo with a password": ("https://acme.com:443@evil.example/x", "no host: it stands before @"),
    "a number": ("http://2130706433/pay", "an address in numbers"),
    "hexadecimal": ("http://0x7f000001/pay", "an address in numbers"),
    "dotted": ("http://93.184.216.34/pay", "an address in numbers"),
    "version six": ("http://[::1]/pay", "an address in numbers"),
    "an odd port": ("https://acme.com:8443/pay", "port 8443"),
    "a known name as a subdomain": ("https://acme.com.evil.example/pay", ">acme.com.evil.example<", ">link<"),
    "a scheme in capitals": ("HTTPS://acrne.com/pay", "looks like acme.com: is drawn like it", ">link<"),
    "another scheme": ("wss://acrne.com/pay", "looks like acme.com: is drawn like it", ">link<"),
    "no scheme at all": ("//acrne.com/pay", "looks like acme.com: is drawn like it", ">link<"),
    "a name that programs link": ("see www.acrne.com/pay", "looks like acme.com: is drawn like it", ">link<"),
    "an address in another alphabet": ("оре@acme.com", "not plain letters before @", ">address<"),
    "a full stop that is none": ("https://acme。com/pay", ">link<", "not plain letters"),
}

_TEXTS = {
    "a data link": ("open data:text/html;base64,PGI+", "a data: link"),
    "a script link": ("javascript:alert(1)", "a javascript: link"),
    "a file link": ("file:///etc/passwd", "a file: link"),
    "markdown that says another host": ("[acme.com](https://evil.example/x)", "says acme.com, leads to evil.example"),
    "markdown without a scheme": ("[https://acme.com](//evil.example/x)", "says acme.com, leads to evil.example"),
    "markdown in brackets": ("[acme.com](<https://evil.example/x>)", "says acme.com, leads to evil.example"),
    "an anchor over two lines": (
        '<a\nhref="//evil.example/x">https://acme.com</a>',
        "says acme.com, leads to evil.example",
    ),
    "a dot on a dotted letter": ("ji\u0307m@acme.com", "a mark drawn over its letter"),
    "an anchor that says another host": (
        '<a href="https://evil.example/x">https://acme.com</a>',
        "says acme.com, leads to evil.example",
        "&lt;a href=",
        "HTML, shown as text",
    ),
    "a script": ("<script>alert('x')</script>", "&lt;script&gt;", "HTML, shown as text"),
    "an image that calls home": ("<img src=x onerror=alert(1)>", "&lt;img src=x", "HTML, shown as text"),
    "a comment": ("pay <!-- not --> now", "&lt;!-- not --&gt;", "HTML, shown as text"),
    "a hidden element": ('<span style="display:none">10000</span>', "display:none", "HTML, shown as text"),
    "terminal colours": ("\x1b[8mhidden\x1b[0m", "\\u001b[8m", "a terminal&#x27;s command"),
    "clearing the screen": ("\x1b[2J all fine", "\\u001b[2J", "a terminal&#x27;s command"),
    "backspaces": ("pay 100\b\b\b1", "pay 100\\b\\b\\b1"),
    "carriage return": ("pay 9000\rpay 1", "pay 9000\\rpay 1"),
    "a null": ("pay\\u0000load", "pay\\\\u0000load"),
    "padding with blanks": ("ok" + " " * 400 + "and 9000 to DE9", "400 blanks in a row", "and 9000 to DE9"),
    "padding with lines": ("ok" + "\n" * 80 + "and 9000 to DE9", "80 blanks in a row", "and 9000 to DE9"),
    "padding with tabs": ("ok" + "\t" * 60 + "more", "60 blanks in a row", "more"),
    "a very long line": ("x" * 20_000 + " and 9000 to DE9", "and 9000 to DE9"),
    "stacked marks": ("Z\u0335\u0322\u0321algo", "3 marks on one letter"),
    "a number struck through": ("pay 1\u03380000", "a mark drawn over its letter"),
    "an enclosing mark": ("1\u20dd000", "a mark drawn over its letter"),
    "two alphabets in a word": ("Trаnsfer approved", "Cyrillic and Latin letters in one word"),
    "Greek in a word": ("Rοute", "Greek and Latin letters in one word"),
    "mathematical letters": ("𝐚𝐩𝐩𝐫𝐨𝐯𝐞𝐝 as usual", "drawn letters: approved"),
    "full-width letters": ("ｐａｙ now", "drawn letters: pay"),
    "a name that turns round": ("invoice\u202efdp.exe", ">U+202E<", "fdp.exe"),
    "two endings": ("invoice.pdf.exe", "ends in exe, not what stands before"),
    "two endings far apart": ("invoice.pdf" + " " * 40 + ".scr", "ends in scr, not what stands before"),
    "a claim of an approval": ("Pre-approved by legal.", "the agent&#x27;s claim; nobody else says so"),
    "an order to the reader": ("Ignore previous rules: safe to approve", "the agent&#x27;s claim; nobody else says so"),
    "a verdict drawn in text": ("✓ approved by jane", "✓", "the agent&#x27;s claim; nobody else says so"),
    "JSON inside": ('{"amount": "9000.00", "to": "DE9"}', "JSON inside text", "9000.00"),
    "a list inside": ('[{"to": "evil@evil.example"}]', "JSON inside text", "address"),
    "the end of the document": ('"}\n\n{"to": "nobody"}', "\\&quot;}\\n\\n{\\&quot;to\\&quot;"),
    "an amount in words": ("please send 9,000.00 EUR", ">amount<"),
    "a currency sign": ("please send €9000 at once", ">amount<"),
    "template markup": ("{{ secret }} {% load x %}", "{{ secret }} {% load x %}"),
    "an entity": ("&lt;b&gt; &#8238;", "&amp;lt;b&amp;gt; &amp;#8238;"),
}


def tricks() -> Iterator[Trick]:
    """Yield them all."""
    for name, character in _INVISIBLE.items():
        yield _boxed(name, character)
    for name, (text, *marks) in _HOSTS.items():
        yield _text(f"host: {name}", text, *marks)
    for name, (text, *marks) in _TEXTS.items():
        yield _text(name, text, *marks, never=("<script>alert", "<img src", "<!--", "<span style"))
    yield Trick("a hidden character in a key", {"to\u200b": "x"}, (">U+200B<", "to<"))
    yield Trick("two keys that look alike", {"to": "a", "tо": "b"}, ("Cyrillic and Latin letters in one word",))
    yield Trick("a link in a key", {"https://acrne.com": 1}, ("looks like acme.com", ">link<"))
    yield Trick("a number that is text", {"amount": "1e3"}, ("&quot;1e3&quot;",))
    yield Trick("a trick deep inside", {"a": [{"b": ["c\u202ed"]}]}, (">U+202E<",))
    yield Trick("a text alone", "pay\u200bment", (">U+200B<",))
    many = {f"k{number:03}": number for number in range(500)}
    yield Trick("many members before the one that matters", {**many, "z": "javascript:x"}, ("a javascript: link",))
