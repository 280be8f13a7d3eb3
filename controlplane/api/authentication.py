"""Who calls: agents by their keys, people by their sessions."""

from __future__ import annotations

import copy
from typing import Any

from django.http import QueryDict
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from audit import sql
from audit.refusals import Forbidden, Unauthenticated
from controlplane.accounts import obligations
from controlplane.api.floods import REFUSED, count
from controlplane.api.problems import CHALLENGE
from registry.authentication import Principal, authenticate


class AgentKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer acp_live_…``; one identical 401 for whatever is wrong with it."""

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        """Return the principal.

        Raises:
            Unauthenticated: missing, malformed, unknown, expired or revoked key.
            Flooded: too many of these from one address.
        """
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        principal = None
        if scheme.lower() == "bearer":
            principal = authenticate(text.strip(), now=sql.now())
        if principal is None:
            count(REFUSED, request.META.get("REMOTE_ADDR", ""))
            raise Unauthenticated
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


class PersonAuthentication(SessionAuthentication):
    """A person's session; anonymous callers get 401 rather than DRF's 403."""

    def authenticate(self, request: Request) -> Any:
        """Return the person, or None for nobody.

        Raises:
            PermissionDenied: a write without the CSRF token.
            Flooded: too many calls by nobody from one address.
            Forbidden: the person must change a one-time password or set up a second factor first.
        """
        found = super().authenticate(request)
        if found is None:
            count(REFUSED, request.META.get("REMOTE_ADDR", ""))
        else:
            obligations.refuse(found[0])
        return found

    def enforce_csrf(self, request: Any) -> None:
        """Compare the token's header with its cookie.

        Django would look for the token in a form first, and DRF would read the body for one: past
        our limits, and loosely. No body of ours is a form.

        Raises:
            PermissionDenied: the token is missing or another one.
        """
        shadow = copy.copy(request._request)  # noqa: SLF001 - DRF's wrapper would parse the body
        shadow.POST = QueryDict()
        super().enforce_csrf(shadow)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Session"


class HasScope(BasePermission):
    """The key carries the scope that the view names in ``scope``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Compare scopes.

        Raises:
            Forbidden: the key lacks the scope.
        """
        principal = principal_of(request)
        scope: str | None = getattr(view, "scope", None)
        if scope is not None and scope not in principal.scopes:
            raise Forbidden(f"The key lacks the scope “{scope}”.")
        return True


def principal_of(request: Request) -> Principal:
    """Return the authenticated key.

    Raises:
        Unauthenticated: the view let somebody else in.
    """
    principal: Any = request.user
    if not isinstance(principal, Principal):
        raise Unauthenticated
    return principal


class AgentKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema shows agent keys."""

    target_class = AgentKeyAuthentication
    name = "agentKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "acp_live_<id>_<secret>_<crc32>"}


class PersonScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema shows sessions."""

    target_class = PersonAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
