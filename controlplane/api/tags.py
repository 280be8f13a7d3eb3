"""``If-Match``: a write says which revision its caller read."""

from __future__ import annotations

import re
from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from audit.refusals import PreconditionFailed, PreconditionRequired

# Of what is named by a digest of all that it says.
BY_DIGEST: Final = re.compile(r'"([0-9a-f]{64})"')


def wants_match(what: str) -> OpenApiParameter:
    """Describe the header that a guarded write carries."""
    text = f"ETag of the {what} that was read."
    return OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description=text)


def gives_tag(text: str) -> OpenApiParameter:
    """Describe the header of an answer that names what was read."""
    return OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 201], description=text)


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
