"""Parsers for the values of environment variables: text in, a typed value out, ``ValueError`` with a reason else."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from controlplane.addresses import database_settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SHORTEST_SECRET = 32
_FERNET_KEY_BYTES = 32
# The values of `registry.states.Role`, which cannot be imported before the settings are read.
ROLES = ("admin", "operator", "owner", "reviewer", "auditor")
_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable.

    Attributes:
        name: its name in the environment.
        parse: makes its typed value of its text.
        default: the text used when it is absent or empty.
        help: one or two sentences for the reference.
        shown: how the reference words the default, where the default's text says too little.
        secret: whether its value may never be printed.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
    shown: str = ""
    secret: bool = False

    @property
    def kind(self) -> str:
        """What the parser calls itself in the reference."""
        return getattr(self.parse, "kind", self.parse.__name__).replace("_", " ")


def variable(
    name: str, parse: Callable[[str], Any], default: str, help: str, *, shown: str = "", secret: bool = False
) -> Any:
    """Return a dataclass field that stands for one environment variable. Arguments as in `Variable`."""
    entry = Variable(name=name, parse=parse, default=default, help=help, shown=shown, secret=secret)
    return field(metadata={"variable": entry}, repr=not secret)


def text(raw: str) -> str:
    """Accept any text."""
    return raw


def words(raw: str) -> tuple[str, ...]:
    """Accept words separated by commas."""
    return tuple(word.strip() for word in raw.split(",") if word.strip())


def boolean(raw: str) -> bool:
    """Accept the usual words for yes and no."""
    word = raw.lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError("say on or off")


def between(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of integers within bounds, both included."""

    def integer(raw: str) -> int:
        try:
            number = int(raw)
        except ValueError:
            raise ValueError("not a whole number") from None
        if not least <= number <= most:
            raise ValueError(f"must lie between {least} and {most}")
        return number

    return integer


def port(raw: str) -> int:
    """Accept a TCP port."""
    return between(1, 65_535)(raw)


def optional_port(raw: str) -> int | None:
    """Accept a TCP port, or nothing."""
    return port(raw) if raw else None


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser that accepts one of the given words, or nothing."""

    def choice(raw: str) -> str:
        if raw and raw not in choices:
            raise ValueError(f"say one of {', '.join(choices)}")
        return raw

    choice.kind = " or ".join(choices)  # type: ignore[attr-defined]  # read by Variable.kind
    return choice


def folder(raw: str) -> Path:
    """Accept a folder, which need not exist yet; made absolute."""
    path = Path(raw).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise ValueError("is a file, must be a folder")
    return path


def optional_file(raw: str) -> Path | None:
    """Accept the path of an existing file, or nothing."""
    if not raw:
        return None
    path = Path(raw).expanduser().absolute()
    if not path.is_file():
        raise ValueError("no such file")
    return path


def origin(raw: str) -> str:
    """Accept scheme, host and port of a web address, without a path."""
    if not raw:
        return ""
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must look like https://controlplane.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must hold no path, query or user name")
    return f"{parts.scheme}://{parts.netloc}"


def database(raw: str) -> str:
    """Accept a database address."""
    if raw:
        _whole(raw)
        database_settings(raw)
    return raw


def redis(raw: str) -> str:
    """Accept an address of Redis or Valkey."""
    if raw and urlsplit(raw).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    if raw:
        _whole(raw)
    return raw


def _whole(raw: str) -> None:
    """Take an address apart, without a word of it in what goes wrong: a password may have ended up anywhere.

    Raises:
        ValueError: it has no such form.
    """
    try:
        parts = urlsplit(raw)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
        sound = parts.port is None or parts.port > 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(
            "must have the form scheme://user:password@host:port/name; write / ? # @ : in a password as %2F %3F %23 "
            "%40 %3A"
        )


def secret_key(raw: str) -> str:
    """Accept a long secret, or nothing."""
    if raw and len(raw) < _SHORTEST_SECRET:
        raise ValueError(f"must have at least {_SHORTEST_SECRET} characters")
    return raw


def peppers(raw: str) -> tuple[tuple[str, bytes], ...]:
    """Accept ``id:hex`` pairs separated by commas."""
    found: list[tuple[str, bytes]] = []
    for word in words(raw):
        name, _, digits = word.partition(":")
        if not name.isalnum() or not name.isascii():
            raise ValueError("each pepper is written id:hex, its id of letters and digits")
        try:
            pepper = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(f"pepper {name} is not hexadecimal") from None
        if len(pepper) < _SHORTEST_SECRET:
            raise ValueError(f"pepper {name} is shorter than {_SHORTEST_SECRET} bytes")
        found.append((name, pepper))
    if len({name for name, _ in found}) != len(found):
        raise ValueError("two peppers share an id")
    return tuple(found)


def encryption_keys(raw: str) -> tuple[str, ...]:
    """Accept Fernet keys separated by commas: 32 bytes each in URL-safe base 64."""
    for number, key in enumerate(words(raw), start=1):
        try:
            size = len(base64.urlsafe_b64decode(key))
        except (binascii.Error, ValueError):
            size = 0
        if size != _FERNET_KEY_BYTES:
            raise ValueError(f"key {number} is not 32 bytes in URL-safe base 64")
    return words(raw)


def networks(raw: str) -> tuple[Network, ...]:
    """Accept addresses and networks separated by commas."""
    return tuple(ipaddress.ip_network(word, strict=False) for word in words(raw))


def pairs(raw: str) -> tuple[tuple[str, str], ...]:
    """Accept ``ours=theirs`` pairs separated by semicolons; what is theirs may hold commas and further ``=``."""
    found = []
    for word in (part.strip() for part in raw.split(";")):
        if word:
            ours, _, theirs = (side.strip() for side in word.partition("="))
            if not ours or not theirs:
                raise ValueError("each pair is written ours=theirs")
            found.append((ours, theirs))
    return tuple(found)


def roles(raw: str) -> tuple[str, ...]:
    """Accept roles separated by commas."""
    found = words(raw)
    unknown = sorted(set(found) - set(ROLES))
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is no role; the roles are {', '.join(ROLES)}")
    return found


def role_pairs(raw: str) -> tuple[tuple[str, str], ...]:
    """Accept ``role=group`` pairs separated by semicolons."""
    found = pairs(raw)
    roles(",".join(role for role, _ in found))
    return found


def issuer(raw: str) -> str:
    """Accept the address of an identity provider: https, or this machine's loopback."""
    if not raw:
        return ""
    parts = urlsplit(raw)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must look like https://id.example.com/realms/main")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}):
        raise ValueError("must begin with https://")
    return raw.rstrip("/")
