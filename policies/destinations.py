"""Where an action goes, in one spelling for every way to write it.

Rules compare destinations, so two spellings of one place must become equal and a spelling that
two parsers could read differently is refused instead of guessed at. Forms: ``https://host/path``,
``email:jane@acme.com``, ``slack:#hiring``, ``n8n:<connection>/<workflow>``, ``<kind>:<value>``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from policies.hosts import DestinationInvalid, normal_host

__all__ = [
    "Destination",
    "DestinationInvalid",
    "check_destination",
    "from_payload",
    "normal_path",
    "split_url",
]

MAX_LENGTH: Final = 2_048
MAX_SEGMENTS: Final = 64
MAX_LOCAL: Final = 64
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_KIND: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_BAD_ASCII: Final = re.compile(r"[\x00-\x20\x7f]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_URL: Final = re.compile(r"//([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?|\[\]-]|%[0-9A-Fa-f]{2})*")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# RFC 5321 dot-atoms without %, ! (old source routes) and * (a pattern's word).
_LOCAL: Final = re.compile(r"[A-Za-z0-9#$&'+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'+/=?^_`{|}~-]+)*")
_N8N: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_-]+")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
# Drawn as nothing, though their categories do not say so: fillers, joiners, variation selectors.
_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A normalised destination.

    Attributes:
        text: the one spelling, what people and records see.
        kind: scheme or kind, lower case.
        identity: equal for two destinations that are the same place to every rule.
        heads: every head of a destination pattern that matches (`policies.selectors`).
        trails: every trail of a destination pattern that matches; ``("",)`` unless a URL.
    """

    text: str
    kind: str
    identity: str
    heads: tuple[str, ...]
    trails: tuple[str, ...]

    def __str__(self) -> str:
        return self.text


def check_destination(text: str) -> Destination:
    """Read a destination as an agent or a policy test declares it.

    Args:
        text: a URL, or kind and value with a colon between.

    Raises:
        DestinationInvalid: with a code and one sentence.
    """
    _require_plain(text)
    kind, colon, value = text.partition(":")
    kind = kind.lower()
    if not colon or _KIND.fullmatch(kind) is None:
        raise DestinationInvalid("kind", "Write a destination as https://… or as kind:value.")
    return _READERS.get(kind, _other)(kind, value)


def from_payload(value: str, kind: str | None) -> Destination:
    """Read a destination that the verb catalogue extracted from a payload.

    Args:
        value: the raw value.
        kind: kind that a bare value has by the catalogue (``email``); None: the value is whole.

    Raises:
        DestinationInvalid: with a code and one sentence.
    """
    return check_destination(value if kind is None else f"{kind}:{value}")


def _require_plain(text: str) -> None:
    if not text or len(text) > MAX_LENGTH:
        raise DestinationInvalid("length", f"A destination has 1 to {MAX_LENGTH} characters.")
    if _BAD_ASCII.search(text):
        raise DestinationInvalid("control_character", "A destination has no spaces and no control characters.")
    if "\\" in text:
        raise DestinationInvalid("backslash", "A destination has no backslashes.")
    if text.isascii():
        return
    if _IGNORABLE.search(text) or any(unicodedata.category(letter) in _HIDDEN for letter in text):
        raise DestinationInvalid("hidden_character", "A destination has no invisible characters.")


def _url(kind: str, value: str) -> Destination:
    head, path, query = split_url(kind, value)
    path = normal_path(path)
    text = f"{head}{path}" if query is None else f"{head}{path}?{normal_query(query)}"
    heads = [head, *_wildcard_heads(head)]
    parts = path.split("/")
    if len(parts) - 1 > MAX_SEGMENTS:
        raise DestinationInvalid("too_deep", f"A path has at most {MAX_SEGMENTS} segments.")
    trails = [path] + ["/".join(parts[:index]) + "/*" for index in range(1, len(parts))]
    return Destination(text, kind, text, tuple(heads), tuple(trails))


def _wildcard_heads(head: str) -> list[str]:
    origin, _, rest = head.partition("://")
    labels = rest.split(".")
    # An address has no parent domain.
    if rest.startswith("[") or labels[-1].partition(":")[0].isdigit():
        return []
    return [f"{origin}://*.{'.'.join(labels[index:])}" for index in range(1, len(labels))]


def split_url(kind: str, value: str, *, wildcard: bool = False) -> tuple[str, str, str | None]:
    """Take a URL apart and bring scheme, host and port into their one spelling.

    Args:
        kind: ``http`` or ``https``.
        value: everything after the first colon.
        wildcard: admit a leading ``*.`` of the host (patterns).

    Returns:
        ``scheme://host[:port]``, the path as written, the query as written or None.

    Raises:
        DestinationInvalid: userinfo, fragment, port, host, or not of the form ``//host…``.
    """
    found = _URL.fullmatch(value)
    if found is None:
        raise DestinationInvalid("url", f"Write a URL as {kind}://host/path.")
    authority, path, query, fragment = found.groups()
    if "@" in authority:
        raise DestinationInvalid("userinfo", "A URL has no user and no password before the host.")
    if fragment is not None:
        raise DestinationInvalid("fragment", "A fragment is never sent to the server; leave # out.")
    if not path.isascii() or not (query or "").isascii():
        raise DestinationInvalid("non_ascii", "Percent-encode everything in path and query that is not ASCII.")
    prefix = "*." if wildcard and authority.startswith("*.") else ""
    host, port = _split_port(authority.removeprefix(prefix))
    if port == _DEFAULT_PORTS[kind]:
        port = None
    return f"{kind}://{prefix}{normal_host(host)}{'' if port is None else f':{port}'}", path, query


def _split_port(authority: str) -> tuple[str, str | None]:
    cut = authority.find(":", authority.rfind("]") + 1)
    if cut < 0:
        return authority, None
    port = authority[cut + 1 :]
    if _PORT.fullmatch(port) is None or int(port) > 65_535:
        raise DestinationInvalid("port", "A port is a number from 1 to 65535 without leading zeros.")
    return authority[:cut], port


def normal_path(path: str) -> str:
    """Return a path in its one spelling: escapes in upper case, none where none is needed.

    Args:
        path: as written; empty is the root.

    Raises:
        DestinationInvalid: dot segments, empty segments, encoded slashes, backslashes or control
            characters, at any depth of encoding, or a character that a path cannot hold.
    """
    if not path:
        return "/"
    if _PATH.fullmatch(path) is None:
        raise DestinationInvalid("path", "The path has a character that must be percent-encoded.")
    if "//" in path:
        raise DestinationInvalid("empty_segment", "A path has no empty segments.")
    _require_no_dots(path)
    if "%" not in path:
        return path
    _require_honest_escapes(path)
    return _normal_escapes(path)


def normal_query(query: str) -> str:
    """Return a query in its one spelling.

    Raises:
        DestinationInvalid: a character that a query cannot hold.
    """
    if _QUERY.fullmatch(query) is None:
        raise DestinationInvalid("query", "The query has a character that must be percent-encoded.")
    return _normal_escapes(query)


def _require_no_dots(path: str) -> None:
    # Some servers cut parameters (/..;x) before they resolve dots.
    if "." in path and any(part.partition(";")[0] in {".", ".."} for part in path.split("/")):
        raise DestinationInvalid("dot_segment", "A path has no . or .. segments.")


def _require_honest_escapes(path: str) -> None:
    """Refuse what would become a separator or a dot segment for whoever decodes once, or once more."""
    seen, slashes = path.encode(), path.count("/")
    while (decoded := unquote_to_bytes(seen)) != seen:
        seen = decoded
        try:
            text = seen.decode()
        except UnicodeDecodeError as error:
            # Overlong forms of / and . among them.
            raise DestinationInvalid("path", "The path's escapes are not UTF-8.") from error
        if _CONTROL.search(text):
            raise DestinationInvalid("control_character", "A path has no encoded control characters.")
        # Some servers fold compatibility characters (a full-width slash) before they resolve a path.
        for form in (text, unicodedata.normalize("NFKC", text)):
            if "\\" in form or form.count("/") != slashes:
                raise DestinationInvalid("encoded_slash", "A path has no encoded slashes or backslashes.")
            _require_no_dots(form)


def _normal_escapes(text: str) -> str:
    def spelled(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in _UNRESERVED else found[0].upper()

    return _ESCAPE.sub(spelled, text)


def _email(kind: str, value: str) -> Destination:
    local, at, domain = value.rpartition("@")
    if not at or len(local) > MAX_LOCAL or _LOCAL.fullmatch(local) is None:
        raise DestinationInvalid("email", "Write one bare address: jane@acme.com.")
    host = normal_host(domain)
    if host.startswith("[") or host.rpartition(".")[2].isdigit() or domain.endswith("."):
        raise DestinationInvalid("email", "The domain of an address is a name.")
    # Practically every mail system ignores the case of the local part, so every rule does: else a
    # limit per recipient or a forbidden one is got around by writing Jane.
    identity = f"{kind}:{local.lower()}@{host}"
    heads = (identity, f"{kind}:*@{host}", f"{kind}:*")
    return Destination(f"{kind}:{local}@{host}", kind, identity, heads, ("",))


def _slack(kind: str, value: str) -> Destination:
    # Slack's channel names are lower case; it folds what people type.
    return _other(kind, value.lower() if value.startswith("#") else value)


def _n8n(kind: str, value: str) -> Destination:
    if _N8N.fullmatch(value) is None:
        raise DestinationInvalid("n8n", "Write an n8n workflow as n8n:<connection>/<workflow>.")
    return _other(kind, value)


def _mailto(kind: str, value: str) -> Destination:
    raise DestinationInvalid("kind", f"Write an address as email:…, not as {kind}:{value[:40]}.")


def _other(kind: str, value: str) -> Destination:
    if not value or value.startswith("//"):
        raise DestinationInvalid("value", f"There is nothing after {kind}: that can be compared.")
    if "*" in value:
        raise DestinationInvalid("value", "A destination has no *; only patterns do.")
    if not value.isascii() and unicodedata.normalize("NFKC", value) != value:
        raise DestinationInvalid("value", "The value has characters that stand for others.")
    text = f"{kind}:{value}"
    parent, slash, _ = text.rpartition("/")
    heads = (text, f"{kind}:*", f"{parent}/*") if slash else (text, f"{kind}:*")
    return Destination(text, kind, text, heads, ("",))


_READERS: Final[dict[str, Callable[[str, str], Destination]]] = {
    "http": _url,
    "https": _url,
    "email": _email,
    "slack": _slack,
    "n8n": _n8n,
    "mailto": _mailto,
}
