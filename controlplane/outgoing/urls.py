"""Reading the URL of an outgoing call (pure): strictly, so that no two parsers can disagree about it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from audit.refusals import Invalid, Problem
from controlplane.outgoing.addresses import is_admitted

LONGEST_URL = 2048
# One text for private, unresolvable and malformed: an answer must not tell what is inside.
UNSAFE = "The URL cannot be used: it must be https, without credentials, and lead to a public host."
_PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[!-~]+\Z")
_FORBIDDEN = frozenset('\\"<>^`{|}')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
# What a browser's parser, or the C library's, would take for a number: 127.1, 0x7f000001, 2130706433, 017700000001.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")


class UnsafeUrl(Invalid):
    """An outgoing URL that is not used: malformed, not https, private or unresolvable; the text is always the same."""

    code, title = "unsafe_url", "The URL cannot be used"

    def __init__(self, pointer: str = "/url") -> None:
        super().__init__(UNSAFE, errors=[Problem(pointer, "unsafe_url", UNSAFE)])


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes.

    Attributes:
        scheme: ``https``, or ``http`` for a listed host.
        host: lower case, ASCII, without brackets or a final dot.
        port: 1 to 65535.
        path: path and query, beginning with ``/``.
        internal: the operator lists the host.
        literal: the address, where the URL names no host but an address.
    """

    scheme: str
    host: str
    port: int
    path: str
    internal: bool
    literal: ipaddress.IPv4Address | ipaddress.IPv6Address | None

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str, *, internal_hosts: frozenset[str] = frozenset(), pointer: str = "/url") -> Target:
    """Read a URL.

    Args:
        url: as somebody gave it.
        internal_hosts: what the operator lists, lower case; ``http`` and private addresses only for these.
        pointer: where the URL stands in the caller's document, for the refusal.

    Raises:
        UnsafeUrl: it is none that we call.
    """
    target = _read(url, internal_hosts)
    if target is None:
        raise UnsafeUrl(pointer)
    return target


def _read(url: str, internal_hosts: frozenset[str]) -> Target | None:
    if len(url) > LONGEST_URL or not _PLAIN.match(url) or _FORBIDDEN & set(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme
    if scheme not in _PORTS or not url.lower().startswith(f"{scheme}://") or "@" in parts.netloc or "#" in url:
        return None
    host, literal = _read_host(parts.netloc)
    # An empty port ("host:") and port 0 mean different things to different readers.
    if not host or port == 0 or parts.netloc.endswith(":"):
        return None
    internal = host in internal_hosts
    if scheme != "https" and not internal:
        return None
    if literal is not None and not is_admitted(literal, internal=internal):
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, port or _PORTS[scheme], path, internal, literal)


def _read_host(netloc: str) -> tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address | None]:
    """Return the host and, where it is one, the address; an empty host for what is neither."""
    try:
        if netloc.startswith("["):
            text, closed, rest = netloc[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")) or "%" in text:
                return "", None
            address = ipaddress.IPv6Address(text)
            return str(address), address
        name = netloc.partition(":")[0].lower()
        name = name.removesuffix(".")
        labels = name.split(".")
        if _NUMBER.match(labels[-1]):
            # The one spelling of an IPv4 address that everybody reads alike.
            return name, ipaddress.IPv4Address(name)
    except ValueError:
        return "", None
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        return "", None
    return name, None
