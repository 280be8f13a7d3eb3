"""What the account menu at the top leads to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from registry.models import User
from registry.states import Role


def links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the account, and for administrators the closed log-ins."""
    found: list[dict[str, Any]] = [{"title": "Your account", "link": reverse("account")}]
    if isinstance(request.user, User) and request.user.role == Role.ADMIN:
        found.append({"title": "Closed log-ins", "link": reverse("account_locks")})
    return found
