"""Addresses of people's channels (pure): a small list of kinds, read strictly.

The library that sends knows over a hundred kinds; some run programs, read files, or fetch templates. Only what stands
here is passed on, with the parameters that stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from audit.refusals import Invalid, Problem

LONGEST_ADDRESS = 1000
_MAIL_PORTS = frozenset({None, 25, 465, 587, 2525})
_WORKFLOW_HOSTS = (".logic.azure.com", ".api.powerplatform.com")
_SLACK_HOST = "hooks.slack.com"

# What each kind may be told beside its address.
_PARAMETERS: Final[dict[str, frozenset[str]]] = {
    "mailto": frozenset({"to", "from", "name", "smtp", "mode", "user", "pass"}),
    "mailtos": frozenset({"to", "from", "name", "smtp", "mode", "user", "pass"}),
    "slack": frozenset(),
    "workflows": frozenset(),
    "json": frozenset(),
    "jsons": frozenset(),
    "ntfy": frozenset(),
    "ntfys": frozenset(),
}
SCHEMES: Final = tuple(_PARAMETERS)
# Sent by our own call, since the host is anybody's choice.
OWN_CALL: Final = frozenset({"json", "jsons", "ntfy", "ntfys"})


class BadAddress(Invalid):
    """The channel's address is none of the kinds that are admitted."""

    code, title = "bad_address", "The address cannot be used"

    def __init__(self) -> None:
        text = "Use mailtos://, slack://, workflows://, jsons:// or ntfys://, with no parameters beside the usual ones."
        super().__init__(text, errors=[Problem("/address", "bad_address", text)])


@dataclass(frozen=True, slots=True)
class Address:
    """Where a channel leads.

    Attributes:
        scheme: of `SCHEMES`.
        text: as the library takes it.
        url: what our own call posts to; empty where the library sends.
        host: whose address is checked before; empty where the address alone does not say (mail domains).
    """

    scheme: str
    text: str
    url: str
    host: str


def read_address(text: str) -> Address:
    """Read a channel's address.

    Args:
        text: as the person gave it; Slack's and Teams' own ``https://`` addresses are read too.

    Raises:
        BadAddress: none that is admitted.
    """
    text = text.strip()
    if len(text) > LONGEST_ADDRESS or not text.isascii() or not text.isprintable() or " " in text:
        raise BadAddress
    try:
        parts = urlsplit(text)
        port = parts.port
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise BadAddress from error
    host = (parts.hostname or "").lower()
    found = _native(text, host, parts.path, given) if parts.scheme == "https" else _ours(text, parts, port, given)
    if found is None or not host:
        raise BadAddress
    return found


def _ours(text: str, parts: SplitResult, port: int | None, given: dict[str, str]) -> Address | None:
    """Read an address in the library's spelling; None where it is not admitted."""
    scheme, host = parts.scheme, (parts.hostname or "").lower()
    # Others, with "+", "-" or ":" before a name, make headers and payloads of what follows.
    if scheme not in _PARAMETERS or set(given) - _PARAMETERS[scheme]:
        return None
    if scheme in OWN_CALL:
        url = f"{'https' if scheme.endswith('s') else 'http'}://{parts.netloc}{parts.path or '/'}"
        return None if "@" in parts.netloc or parts.fragment else Address(scheme, text, url, host)
    if scheme in {"mailto", "mailtos"}:
        return Address(scheme, text, "", given.get("smtp", "").lower()) if port in _MAIL_PORTS else None
    if scheme == "workflows":
        return Address(scheme, text, "", host) if host.endswith(_WORKFLOW_HOSTS) else None
    return Address("slack", text, "", _SLACK_HOST)


def _native(text: str, host: str, path: str, given: dict[str, str]) -> Address | None:
    """Read the address as Slack or Teams shows it."""
    steps = [unquote(step) for step in path.strip("/").split("/")]
    if host == _SLACK_HOST and len(steps) == 4 and steps[0] == "services" and not given:
        return Address("slack", f"slack://{steps[1]}/{steps[2]}/{steps[3]}", "", host)
    if host.endswith(_WORKFLOW_HOSTS) and set(given) <= {"api-version", "sp", "sv", "sig"}:
        return Address("workflows", text, "", host)
    return None
