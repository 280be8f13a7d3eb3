"""What a person owes before anything else: another password than the one-time one, a second factor.

The console leads them there; the API refuses with a code of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit.refusals import Forbidden
from controlplane.accounts.factors import has_factor
from registry.models import User

# Agents come by key; the session's own check stands in the API's authentication.
_ELSEWHERE = ("/api/", "/static/", "/healthz", "/readyz", "/metrics")
_ALWAYS = frozenset({"account_login", "account_logout", "admin:logout", "admin:login", "account_reauthenticate"})
_FOR_PASSWORD = _ALWAYS | {"admin:password_change"}
_FOR_FACTOR = _FOR_PASSWORD | {
    "account",
    "account_app",
    "account_passkey",
    "account_codes",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
}


class PasswordDue(Forbidden):
    """The one-time password must be changed first."""

    code, title = "password_change_required", "Change the one-time password first"


class FactorDue(Forbidden):
    """The role needs a second factor and the person has none."""

    code, title = "mfa_required", "Set up a second factor first"


def owed(user: User) -> type[Forbidden] | None:
    """Return what a person owes, or None."""
    if user.must_change_password:
        return PasswordDue
    if user.role in settings.REQUIRE_MFA and not has_factor(user):
        return FactorDue
    return None


def refuse(user: Any) -> None:
    """Refuse an API call of somebody who owes something.

    Raises:
        PasswordDue: the one-time password is still in use.
        FactorDue: the role needs a second factor.
    """
    due = owed(user) if isinstance(user, User) else None
    if due is not None:
        raise due


class Obligations:
    """Lead people to what they owe; every page counts unless it is named here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """Redirect to the password or to the second factor, or let pass."""
        match = request.resolver_match
        name = match.view_name if match else ""
        if request.path.startswith(_ELSEWHERE) or name in _ALWAYS:
            return None
        user = request.user
        due = owed(user) if isinstance(user, User) else None
        if due is PasswordDue and name not in _FOR_PASSWORD:
            return _lead(request, reverse("admin:password_change"))
        if due is FactorDue and name not in _FOR_FACTOR:
            return _lead(request, reverse("account"))
        return None


def _lead(request: HttpRequest, url: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A fragment cannot be replaced by another page; the browser is sent there as a whole.
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
