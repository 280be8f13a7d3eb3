"""Takes secrets out of what agents report, before anything is written (pure).

Two things betray a secret: the name it stands under (``password``, ``Authorization``,
``resumeToken``) and its own form (a bearer token, a JWT, a PEM key, ``sk-…``). Both are looked
for in nested JSON and inside free text, where JSON, headers, URLs and command lines may stand
as text again. Deterministic and idempotent: the same report gives the same row. In doubt it
redacts: a lost word harms less than a kept secret.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, TypeAlias

MARK = "[redacted]"
MAX_DEPTH = 64
_TOO_DEEP = "[nested too deep]"
# NUL breaks PostgreSQL's text, a lone surrogate breaks every later reading on SQLite.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# --- names ---------------------------------------------------------------------------------

_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    [
        "authorization",
        "cookie",
        "cookies",
        "passwd",
        "pwd",
        "passcode",
        "secret",
        "secrets",
        "apikey",
        "apikeys",
        "credential",
        "credentials",
        "jwt",
        "bearer",
        "signature",
        "sig",
        "otp",
        "cvv",
        "cvc",
        "csrf",
        "xsrf",
        "privatekey",
        "accesskey",
        "secretkey",
    ]
)
_PASSWORD = ("password", "passwords", "passwd", "pwd", "passphrase", "passcode")
_SECRET_ENDINGS = (*_PASSWORD, "secret", "apikey", "authorization")
_SECRET_PAIRS = frozenset(
    {(first, "key") for first in ("api", "access", "secret", "private", "signing", "encryption", "auth", "session")}
    | {("session", "id"), ("connection", "string")}
)
_WHOLE_LINE = frozenset({"authorization", "cookie"})
# Too general to be secret everywhere, but not in the query of a URL.
_QUERY_NAMES = frozenset({"key", "auth", "access"})
_NAME_FIELDS = ("name", "key", "header", "field")


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _SPLIT.findall(name))


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = _words(name)
    if not words:
        return False
    return (
        words == ("auth",)
        or words[-1].endswith("token")
        or any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words)
        or any(pair in _SECRET_PAIRS for pair in pairwise(words))
    )


def is_secret_name(name: str) -> bool:
    """Say whether what stands under this name (a key, a header, a parameter) is secret."""
    return _is_secret(name[:100])


# --- free text -----------------------------------------------------------------------------

# One quick look spares most texts the rest: fixed texts are found several times faster than patterns.
_SUSPICIOUS = (
    "acp_live_", "sk-", "sk_", "rk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "xox", "aiza", "glpat-",
    "hf_", "npm_", "whsec_", "akia", "asia", "eyj", "-----begin", "://", "basic", "bearer", "auth", "cookie",
    "token", "secret", "passw", "passp", "passc", "pwd", "credential", "key", "sig", "jwt", "otp", "cvv", "cvc",
    "csrf", "xsrf", "session", "string",
)  # fmt: skip

# Every pattern starts at the start of a word or at a fixed text, so that none is slower than linear.
_SHAPES = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|acp_live_[A-Za-z0-9_-]{8,}"
    r"|(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}"
    r"|\b[sr]k_(?:live|test)_[A-Za-z0-9]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bxox[a-z]-[A-Za-z0-9-]{8,}|\bAIza[A-Za-z0-9_-]{30,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{20,}"
    r"|\bwhsec_[A-Za-z0-9+/=]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?",
    re.DOTALL,
)
_BEARER = re.compile(r"(?i:\b(bearer)(\s+))([A-Za-z0-9._~+/=-]{8,})")
_BASIC = re.compile(r"(?i:\b(basic)(\s+))([A-Za-z0-9+/]{4,}={0,2})")
_USERINFO = re.compile(r"(://[^\s/:@?#\[\]]{0,100}:)([^\s/@]{1,400})(@)")
_SPACED_KEY = re.compile(r"(?i:\b((?:api|access|secret|private)\s+key\s{0,4}[:=]\s{0,4}))([^\s\"',;\[]{8,})")
_OPTION = re.compile(r"(?<![\w-])--?([A-Za-z][A-Za-z0-9_-]{1,63})(\s+)([^\s\"'\[-][^\s\"']*)")

_NAMED = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z0-9_][A-Za-z0-9_.-]{1,99})(\\*[\"']?\s{0,4}[:=]\s{0,4})(\\*[\"'])?")
_QUOTED = {
    '"': re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL),
}
_BARE = re.compile(r"[^\s\"'&,;<>{}\[\]()|\\]+")
_LINE = re.compile(r"[^\r\n\"'\\]+")
_DIGIT = re.compile(r"[0-9]")


def _bearer(match: re.Match[str]) -> str:
    token = match[3]
    if len(token) < 20 and not _DIGIT.search(token):
        return match[0]
    return f"{match[1]}{match[2]}{MARK}"


def _basic(match: re.Match[str]) -> str:
    token = match[3]
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return match[0]
    return f"{match[1]}{match[2]}{MARK}" if b":" in decoded else match[0]


def _option(match: re.Match[str]) -> str:
    return f"{match[0][: match.start(3) - match.start()]}{MARK}" if is_secret_name(match[1]) else match[0]


def _bare_end(text: str, start: int, *, name: str, separator: str) -> int:
    """Return where the unquoted value behind a secret name ends; `start` where it is none."""
    words = _words(name)
    if ":" in separator and _WHOLE_LINE & set(words):
        found = _LINE.match(text, start)
        return found.end() if found else start
    found = _BARE.match(text, start)
    if found is None:
        return start
    # "Unexpected token: then" is a sentence, "token: 9f3a61c2" and "x-api-key: then" are not.
    certain = "=" in separator or len(words) > 1 or words[0].endswith(_PASSWORD)
    if certain or (len(found[0]) >= 8 and _DIGIT.search(found[0])):
        return found.end()
    return start


def _value_end(text: str, match: re.Match[str]) -> int:
    """Return where the value behind a secret name ends."""
    start, quote = match.end(), match[3]
    if not quote:
        return _bare_end(text, start, name=match[1], separator=match[2])
    pattern = _QUOTED.get(quote)
    if pattern is not None:
        found = pattern.match(text, start)
        return found.end() if found else start
    end = text.find(quote, start)
    return len(text) if end < 0 else end


def _redact_named(text: str) -> str:
    """Redact what follows a secret name: ``name=value``, ``"name": "value"``, ``Name: value``.

    A loop and not one pattern: what follows an innocent name must be searched as well.
    """
    parts: list[str] = []
    done = 0
    position = 0
    while match := _NAMED.search(text, position):
        position = match.end()
        in_query = match.start() > 0 and text[match.start() - 1] in "?&"
        if not (is_secret_name(match[1]) or (in_query and match[1].lower() in _QUERY_NAMES)):
            # The separator may belong to the next name: "a:b=c".
            position = match.end(1) + 1
            continue
        end = _value_end(text, match)
        if end > match.end():
            parts += (text[done : match.end()], MARK)
            done = position = end
    parts.append(text[done:])
    return "".join(parts)


def storable(text: str) -> str:
    """Return the text without what a database refuses: each such character becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def redact_text(text: str) -> str:
    """Return the text with its secrets replaced, and with nothing that a database refuses."""
    text = storable(text)
    lowered = text.lower()
    if not any(sign in lowered for sign in _SUSPICIOUS):
        return text
    text = _SHAPES.sub(MARK, text)
    text = _USERINFO.sub(rf"\g<1>{MARK}\g<3>", text)
    text = _redact_named(text)
    text = _BEARER.sub(_bearer, text)
    text = _BASIC.sub(_basic, text)
    text = _SPACED_KEY.sub(rf"\g<1>{MARK}", text)
    return _OPTION.sub(_option, text)


# --- refusing instead ----------------------------------------------------------------------

_LEAST = 8
# (steps to what holds it, its name or index, whether the name is itself a secret); None is the whole.
_Steps: TypeAlias = "tuple[_Steps, str, bool] | None"
_MOST_PLACES: Final = 100
# "${OPENAI_API_KEY}" and n8n's "={{ $vars.key }}" name a place and hold nothing.
_ELSEWHERE = re.compile(r"[$={ ]*[{$]")


def has_secret(text: str) -> bool:
    """Say whether a text surely holds a secret: fewer texts than `redact_text` changes.

    "The password: never ask for it" is a sentence that a person may have to write; a word of eight characters with a
    digit in that place is not.
    """
    text = storable(text)
    *pieces, last = redact_text(text).split(MARK)
    position = 0
    for piece in pieces:
        found = text.find(piece, position)
        if _is_certain(text[position:found]):
            return True
        position = found + len(piece)
    return bool(pieces) and _is_certain(text[position : len(text) - len(last)])


def _is_certain(word: str) -> bool:
    return len(word) >= _LEAST and bool(_DIGIT.search(word)) and MARK not in word and not _ELSEWHERE.match(word)


def secret_places(value: Any) -> dict[str, str]:
    """Return where a JSON value holds secrets.

    Both the name that a text stands under and its own form betray it, as in `redact`.

    Returns:
        RFC 6901 pointers, of a hundred places at most, and by each what may be told of it: a name may be the secret.
    """
    found: dict[str, str] = {}
    # Pointers are written for what is found only: under one long key they would be many times as large as the value.
    waiting: list[tuple[_Steps, str, Any]] = [(None, "", value)]
    while waiting and len(found) < _MOST_PLACES:
        steps, name, item = waiting.pop()
        if isinstance(item, str):
            if has_secret(item) or (is_secret_name(name) and _is_certain(item)):
                found.update([_pointers(steps)])
        elif isinstance(item, dict):
            for key, inner in item.items():
                text = str(key)
                is_secret = has_secret(text)
                below = (steps, text, is_secret)
                if is_secret:
                    found.update([_pointers(below)])
                waiting.append((below, text, inner))
        elif isinstance(item, list):
            waiting += [((steps, str(at), False), name, inner) for at, inner in enumerate(item)]
    return dict(sorted(found.items()))


def _pointers(steps: _Steps) -> tuple[str, str]:
    """Return where steps lead, as a pointer, and what may be told of it."""
    pointer, told = "", ""
    while steps is not None:
        steps, name, is_secret = steps
        step = "/" + name.replace("~", "~0").replace("/", "~1")
        pointer, told = step + pointer, (f"/{MARK}" if is_secret else step) + told
    return pointer, told


# --- nested values -------------------------------------------------------------------------


def _hidden(value: Any) -> Any:
    """Return what stands in for a secret: nothing, yes and no give nothing away."""
    return value if value is None or isinstance(value, bool) or value in ("", [], {}) else MARK


def _redact_object(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    # Headers and parameters often come as {"name": …, "value": …}.
    named = any(isinstance(value.get(field), str) and is_secret_name(value[field]) for field in _NAME_FIELDS)
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = redact_text(str(key))
        if is_secret_name(name) or (named and name == "value"):
            result[name] = _hidden(item)
        else:
            result[name] = redact(item, depth=depth + 1)
    return result


def redact(value: Any, *, depth: int = 0) -> Any:
    """Return a JSON value with its secrets replaced by `MARK`.

    Args:
        value: any JSON value; it is not changed.
        depth: how deep it stands; below `MAX_DEPTH` the rest is left out.

    Returns:
        A value that both databases can hold: no NUL, no lone surrogates, no NaN.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (dict, list, tuple)):
        if depth >= MAX_DEPTH:
            return _TOO_DEEP
        if isinstance(value, dict):
            return _redact_object(value, depth)
        return [redact(item, depth=depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
