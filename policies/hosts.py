"""Host names in their one spelling: lower case, A-labels, no trailing dot, canonical addresses.

Strict on purpose. Where two parsers could disagree about which host is meant (numeric hosts,
percent-encoding, compatibility characters, dots that are not dots), the name is refused.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

import idna

from audit.refusals import Invalid, Problem

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OCTETS: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
# ß, ς and the joiners mean one host to IDNA 2003 and another to IDNA 2008; the other dots mean a
# dot to some parsers only.
_AMBIGUOUS: Final = re.compile("[\u00df\u03c2\u200c\u200d\u3002\uff0e\uff61]")
MAX_HOST: Final = 253


class DestinationInvalid(Invalid):
    """A destination is not acceptable.

    Attributes:
        code: what is wrong, a stable word such as ``userinfo``.
        detail: one sentence for people.
    """

    code, title = "destination_invalid", "The destination is not acceptable"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail, errors=[Problem("/destination", code, detail)])
        self.code = code


def normal_host(raw: str) -> str:
    """Return a host in its one spelling.

    Args:
        raw: a name, an IPv4 address or an IPv6 address in brackets; no port.

    Raises:
        DestinationInvalid: with code ``empty_host`` or ``host``.
    """
    if raw.startswith("["):
        return _ipv6(raw)
    host = (raw if raw.isascii() else _a_labels(raw)).lower().removesuffix(".")
    if not host:
        raise DestinationInvalid("empty_host", "The host is empty.")
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise DestinationInvalid("host", "The host is not a name of letters, digits and hyphens.")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    for label in labels:
        # The third and fourth place are reserved for prefixes such as xn--.
        if label[2:4] == "--":
            _require_a_label(label)
    return host


def _a_labels(raw: str) -> str:
    name = raw.lower()
    if _AMBIGUOUS.search(name) or unicodedata.normalize("NFKC", name) != name:
        raise DestinationInvalid("host", "The host has characters that stand for others; write its xn-- form.")
    try:
        return idna.encode(name).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise DestinationInvalid("host", "The host is not a valid internationalised name.") from error


def _require_a_label(label: str) -> None:
    try:
        spelled = idna.encode(idna.decode(label)).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        spelled = ""
    if not label.startswith("xn--") or spelled != label:
        raise DestinationInvalid("host", "The host holds an xn-- part that encodes nothing valid.")


def _ipv4(host: str) -> str:
    if _OCTETS.fullmatch(host) and all(int(octet) <= 255 for octet in host.split(".")):
        return host
    raise DestinationInvalid("host", "Write a numeric host as four decimal numbers.")


def _ipv6(raw: str) -> str:
    try:
        if not raw.endswith("]") or "%" in raw:
            raise ValueError
        address = ipaddress.IPv6Address(raw[1:-1])
    except ValueError as error:
        raise DestinationInvalid("host", "The host is not a valid IPv6 address.") from error
    # An IPv4 address in IPv6's clothes leads to the same host, so it has the same name here.
    return str(address.ipv4_mapped or f"[{address.compressed}]")
