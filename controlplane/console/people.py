"""Who looks at a page."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from registry.models import User


def viewer(request: HttpRequest) -> User:
    """Return the logged-in person.

    Raises:
        PermissionDenied: nobody is logged in.
    """
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user
