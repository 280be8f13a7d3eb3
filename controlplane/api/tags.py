"""``If-Match``: a write says which revision its caller read."""

from __future__ import annotations

import re

from rest_framework.request import Request

from audit.refusals import PreconditionFailed, PreconditionRequired


def read_match(request: Request, form: re.Pattern[str]) -> str:
    """Return what the one entity tag in ``If-Match`` names.

    Args:
        request: the write.
        form: of our tags here; its group is what they name.

    Raises:
        PreconditionRequired: the header is missing.
        PreconditionFailed: it is no tag of ours: a wildcard, a list, a weak tag.
    """
    text = request.META.get("HTTP_IF_MATCH", "").strip()
    if not text:
        raise PreconditionRequired("Send If-Match with the ETag of the revision that you read.")
    tag = form.fullmatch(text)
    if tag is None:
        raise PreconditionFailed("If-Match must hold the one ETag of the revision that you read.")
    return tag[1]
