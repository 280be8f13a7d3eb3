"""Reading a request's body: size, content type, encoding, strict JSON."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from rest_framework.request import Request

from audit.canonical import loads
from audit.refusals import Malformed, Problem, Refusal, TooLarge, UnsupportedMedia
from controlplane.gateway.bodies import MAX_BODY, convert
from controlplane.no_secrets import refuse_secrets
from runs.redaction import redact_text

MAX_INGEST = 5 * 1024 * 1024
MAX_RATIO = 100
_PIECE = 64 * 1024
# What people and agents say of what they do: kept in the trail, for ever.
_WORDS = ("reason", "note", "comment")


def read_raw(request: Request, *, limit: int = MAX_BODY, gzip: bool = False) -> bytes:
    """Return the body's bytes.

    Args:
        request: the request; nothing has read its body.
        limit: how large it may be, unpacked.
        gzip: whether ``Content-Encoding: gzip`` is read.

    Raises:
        UnsupportedMedia: not ``application/json``, or another encoding.
        TooLarge: over the limit, or packed more than 1:100.
        Malformed: the body broke off or does not unpack.
    """
    media, _, parameters = (request.META.get("CONTENT_TYPE") or "").partition(";")
    if media.strip().lower() != "application/json":
        raise UnsupportedMedia("Send application/json.")
    charset = parameters.replace(" ", "").lower()
    if charset and charset not in {"charset=utf-8", 'charset="utf-8"'}:
        raise UnsupportedMedia("JSON is UTF-8.")
    raw = _read(request._request, limit)  # noqa: SLF001 - DRF's own ``data`` would parse it loosely
    encoding = (request.META.get("HTTP_CONTENT_ENCODING") or "identity").strip().lower()
    if encoding == "gzip" and gzip:
        raw = _unpack(raw, limit)
    elif encoding != "identity":
        raise UnsupportedMedia(f"The content encoding {encoding!r} is not read here.")
    if len(raw) > limit:
        raise TooLarge(f"The body exceeds {limit} bytes.")
    return raw


def _read(request: HttpRequest, limit: int) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise Malformed("Content-Length is not a number.")
    if int(length) > limit:
        raise TooLarge(f"The body exceeds {limit} bytes.")
    # Django takes a body without a length for an empty one; the server knows where it ends.
    is_chunked = int(length) == 0 and "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    try:
        raw = _drain(request.META["wsgi.input"], limit) if is_chunked else request.body
    except RequestDataTooBig as error:
        raise TooLarge(f"The body exceeds {limit} bytes.") from error
    except (UnreadablePostError, OSError) as error:
        raise Malformed("The body broke off.") from error
    return raw


def _drain(stream: Any, limit: int) -> bytes:
    """Read to the end, or to one byte more than is admitted."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := stream.read(min(left, _PIECE))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unpack(raw: bytes, limit: int) -> bytes:
    """Unpack gzip, never more than the limit or a hundred times the input."""
    most = min(limit, MAX_RATIO * max(len(raw), 1))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(raw, most + 1)
    except zlib.error as error:
        raise Malformed("The body is not valid gzip.") from error
    if len(plain) > most:
        raise TooLarge("The body unpacks to more than is admitted.")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("The body is not one whole gzip stream.")
    return plain


@contextmanager
def below(pointer: str) -> Iterator[None]:
    """Put a pointer before those of a refusal: what was read is a part of the body.

    Args:
        pointer: where the part stands.
    """
    try:
        yield
    except Refusal as refusal:
        refusal.errors = tuple(Problem(pointer + each.pointer, each.code, each.detail) for each in refusal.errors)
        raise


def read_struct(request: Request, to: type[Any], *, limit: int = MAX_BODY, may_hold_secrets: bool = False) -> Any:
    """Return the body as a struct, read strictly; secrets are taken out of its words.

    Args:
        request: the request; nothing has read its body.
        to: the struct.
        limit: how large the body may be.
        may_hold_secrets: whether nothing of it is stored, or what is secret is encrypted. Else a secret outside the
            words is refused: nothing may be taken out of a definition or a policy.

    Raises:
        Malformed, UnsupportedMedia, TooLarge, Invalid.
    """
    value = loads(read_raw(request, limit=limit))
    if isinstance(value, dict):
        value |= {name: redact_text(value[name]) for name in _WORDS if isinstance(value.get(name), str)}
    if not may_hold_secrets:
        refuse_secrets(value)
    return convert(value, to)
