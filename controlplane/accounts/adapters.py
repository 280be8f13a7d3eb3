"""What allauth asks us: who may log in, what is recorded, how secrets are kept."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from controlplane.accounts import encryption, lockouts, sessions
from registry.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Accounts: nobody signs up, every log-in and log-out is recorded."""

    def is_open_for_signup(self, request: HttpRequest, *_: Any) -> bool:
        """Say no: administrators create people, or the identity provider brings them."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Say no: the pages answer browsers' forms alone."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the caller's address as the middleware of trusted proxies left it."""
        return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104 - a placeholder, nothing listens on it

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Look at a password, where passwords are in use; the lock-out counted the try, and a right one no longer."""
        found = super().authenticate(request, **credentials) if settings.PASSWORD_LOGIN else None
        if found is not None:
            lockouts.end_right(request)
        return found

    def reauthenticate(self, user: Any, password: str) -> bool:
        """Look at the password of somebody who is logged in; wrong ones count towards the lock-out."""
        found = self.authenticate(context.request, username=user.username, password=password)
        return found is not None and found.pk == user.pk

    def get_login_stages(self) -> list[str]:
        """Name what follows the password: the second factor. No mail, no telephone."""
        return ["allauth.mfa.stages.AuthenticateStage"]

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Name how a person proves again who they are; the password only where passwords are in use."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [method for method in methods if settings.PASSWORD_LOGIN or method["id"] != "reauthenticate"]

    def login(self, request: HttpRequest, user: Any) -> None:
        """Open the session and record by what."""
        records = get_authentication_records(request, user)
        methods = [str(row.get("type") or row.get("method")) for row in records if not row.get("reauthenticated")]
        with transaction.atomic():
            super().login(request, user)
            sessions.note_log_in(user=user, methods=methods, now=timezone.now())

    def logout(self, request: HttpRequest) -> None:
        """Record and close the session."""
        user = request.user
        with transaction.atomic():
            if isinstance(user, User):
                sessions.note_log_out(user=user, now=timezone.now())
            super().logout(request)

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: the pages say what happened themselves."""


class FactorAdapter(DefaultMFAAdapter):
    """Second factors: their secrets are encrypted at rest."""

    def get_totp_issuer(self) -> str:
        """Name the installation in the authenticator app."""
        return f"Control plane {settings.CONSOLE_LABEL}".strip()

    def encrypt(self, text: str) -> str:
        """Encrypt what will be stored."""
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt what was stored."""
        return encryption.decrypt(encrypted_text)

    def _get_site_name(self) -> str:
        return "Control plane"
