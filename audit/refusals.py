"""Expected failures: one family of exceptions, each with a stable code and an HTTP status.

Every interface renders a `Refusal` as RFC 9457 problem details. Anything that is not a
`Refusal` is unexpected: it propagates, and the request fails closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One defect of an input.

    Attributes:
        pointer: RFC 6901 JSON pointer to the offending value (``""`` is the whole document).
        code: stable machine word, for example ``unknown_field``.
        detail: one sentence for people.
    """

    pointer: str
    code: str
    detail: str


class Refusal(Exception):
    """An expected "no", told to the caller.

    Args:
        detail: one sentence for people; the class's title when left out.
        errors: the defects of the input, where there are several or they have a place.
        headers: HTTP headers that belong to the answer, for example ``Retry-After``.
    """

    code = "refused"
    status = 400
    title = "Refused"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[Problem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(self.detail)


class Malformed(Refusal):
    """The request cannot be read at all (broken JSON, bad UTF-8, a missing header)."""

    code, status, title = "malformed", 400, "The request cannot be read"


class Unauthenticated(Refusal):
    """No key, or one that is malformed, unknown, expired or revoked: one identical answer for all."""

    code, status, title = "unauthenticated", 401, "A valid key is required"


class Forbidden(Refusal):
    """The caller is known and sees the object, but may not do this."""

    code, status, title = "forbidden", 403, "Not permitted"


class Missing(Refusal):
    """The object does not exist, or is not the caller's to see: the answer is the same."""

    code, status, title = "not_found", 404, "Not found"

    def __init__(self) -> None:
        # No detail of its own, so that a foreign object and a missing one cannot be told apart.
        super().__init__()


class Conflict(Refusal):
    """The object's present state does not admit the request."""

    code, status, title = "conflict", 409, "Conflict with the present state"


class IllegalTransition(Conflict):
    """The state table has no such edge."""

    code, title = "illegal_transition", "This state cannot follow the present one"


class Stale(Conflict):
    """Somebody else changed the object first."""

    code, title = "stale", "The object changed in the meantime"


class Gone(Refusal):
    """The time to do this is over."""

    code, status, title = "expired", 410, "Expired"


class PreconditionFailed(Refusal):
    """``If-Match`` names another revision than the present one."""

    code, status, title = "precondition_failed", 412, "The object has another revision now"


class TooLarge(Refusal):
    """The body or the batch exceeds its limit."""

    code, status, title = "too_large", 413, "Too large"


class UnsupportedMedia(Refusal):
    """Another content type or encoding than the endpoint reads."""

    code, status, title = "unsupported_media_type", 415, "Unsupported content type"


class Invalid(Refusal):
    """The input was read but holds values that are not admitted; `errors` says which."""

    code, status, title = "invalid", 422, "The input is not valid"


class KeyReused(Invalid):
    """The idempotency key was used before with another body."""

    code, title = "idempotency_key_reused", "The idempotency key was used with another body"


class PreconditionRequired(Refusal):
    """The call must carry ``If-Match``."""

    code, status, title = "precondition_required", 428, "If-Match is required"


class Flooded(Refusal):
    """Too many calls."""

    code, status, title = "flooded", 429, "Too many requests"


class Unavailable(Refusal):
    """Something that a decision needs (database, trail, limiter) does not answer: nothing was decided."""

    code, status, title = "unavailable", 503, "Nothing was decided"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


def invalid(pointer: str, code: str, detail: str) -> Invalid:
    """Make an `Invalid` with a single defect.

    Args:
        pointer: JSON pointer to the value.
        code: stable machine word.
        detail: one sentence for people.

    Returns:
        The refusal, to be raised by the caller.
    """
    return Invalid(detail, errors=[Problem(pointer, code, detail)])
