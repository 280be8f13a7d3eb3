"""A person's own account: second factors, sessions, external accounts."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views import View

from audit.refusals import Refusal
from controlplane.accounts import encryption, factors, obligations, provider, sessions
from controlplane.console.dialogs import ConsoleDialog, Done, Words
from controlplane.console.people import viewer
from controlplane.console.preferences import own_views
from registry.operations import end_sessions
from runs.redaction import redact_text

PROOF_SECONDS = 300
_SECRET = "account_app"  # noqa: S105 - a key in the session; what it holds is encrypted
_LONGEST_NAME = 60


def lead_to_proof(request: HttpRequest) -> HttpResponse | None:
    """Return the way to proving again who one is, unless that was done a few minutes ago.

    Who has neither password nor factor here proved it to the identity provider, which is not asked twice.
    """
    records = get_authentication_records(request, viewer(request))
    if any(timezone.now().timestamp() - row["at"] < PROOF_SECONDS for row in records):
        return None
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods:
        return None
    return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': request.path})}")


class Page(View):
    """A page of the account; `sensitive` ones ask for proof first.

    Attributes:
        site: the console.
        template: what it is drawn with.
        heading: of the page.
    """

    http_method_names = ["get", "head", "post"]
    site: AdminSite = None  # type: ignore[assignment]  # as_view() gives it
    template: ClassVar[str]
    heading: ClassVar[str]
    sensitive: ClassVar[bool] = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for proof where it is due."""
        asked = lead_to_proof(request) if self.sensitive else None
        return asked or super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # it never streams

    def draw(self, *, status: int = 200, **context: Any) -> HttpResponse:
        """Render inside the console's frame; nobody keeps a copy."""
        frame = self.site.each_context(self.request)
        page = TemplateResponse(self.request, self.template, {**frame, "title": self.heading, **context}, status=status)
        page["Cache-Control"] = "no-store"
        return page


class Account(Page):
    """What there is."""

    template = "account/home.html"
    heading = "Your account"
    sensitive = False

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        user = viewer(request)
        rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
        return self.draw(
            person=user,
            views=own_views(user, self.site),
            due=obligations.owed(user),
            app=next((row for row in rows if row.type == Authenticator.Type.TOTP), None),
            passkeys=[row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
            has_codes=any(row.type == Authenticator.Type.RECOVERY_CODES for row in rows),
            sessions=sessions.open_sessions(user),
            present=request.session.session_key,
            linked=SocialAccount.objects.filter(user=user),
            provider=provider.settings_of(),
            passwords=settings.PASSWORD_LOGIN and user.has_usable_password(),
        )


class AddApp(Page):
    """Set up an authenticator app."""

    template = "account/app.html"
    heading = "Set up an authenticator app"

    def get(self, request: HttpRequest, problem: str = "") -> HttpResponse:
        """Show the secret as a picture and as text."""
        stored = request.session.get(_SECRET)
        if stored is None or not problem:
            stored = request.session[_SECRET] = encryption.encrypt(generate_totp_secret())
        secret = encryption.decrypt(stored)
        adapter = get_factor_adapter()
        picture = adapter.build_totp_svg(adapter.build_totp_url(viewer(request), secret))
        data = base64.b64encode(picture.encode()).decode()
        return self.draw(secret=secret, picture=data, problem=problem, status=422 if problem else 200)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take the first code."""
        user = viewer(request)
        stored = request.session.get(_SECRET)
        if stored is None:
            return HttpResponseRedirect(request.path)
        try:
            made = factors.add_app(
                user=user, secret=encryption.decrypt(stored), code=request.POST.get("code", "")[:40], by=user,
                now=timezone.now(),
            )  # fmt: skip
        except Refusal as refusal:
            return self.get(request, refusal.detail)
        del request.session[_SECRET]
        return HttpResponseRedirect(reverse("account_codes" if made else "account"))


class AddPasskey(Page):
    """Register a passkey."""

    template = "account/passkey.html"
    heading = "Add a passkey"

    def get(self, request: HttpRequest, problem: str = "") -> HttpResponse:
        """Bring the challenge."""
        options = webauthn.begin_registration(viewer(request), passwordless=True)
        return self.draw(options={"creation_options": options}, problem=problem, status=422 if problem else 200)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Verify the answer and keep the key."""
        user = viewer(request)
        name = redact_text(request.POST.get("name", "").strip())[:_LONGEST_NAME] or "Passkey"
        try:
            credential = json.loads(request.POST.get("credential", ""))
            webauthn.parse_registration_response(credential)
            binding = webauthn.complete_registration(credential)
        except (ValueError, KeyError, ValidationError):
            return self.get(request, "The browser's answer could not be verified. Try again.")
        if not binding.is_user_verified():
            return self.get(request, "This key did not ask for a PIN, a finger or a face. Use one that does.")
        made = factors.add_passkey(user=user, name=name, credential=credential, by=user, now=timezone.now())
        return HttpResponseRedirect(reverse("account_codes" if made else "account"))


class Codes(Page):
    """The recovery codes, shown once."""

    template = "account/codes.html"
    heading = "Recovery codes"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show that there are some; showing them changes something, so it is a POST."""
        return self.draw(codes=[])

    def post(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        codes = factors.show_codes(user=viewer(request))
        return self.draw(codes=codes, gone=not codes)


class _Own(ConsoleDialog):
    """A dialog about one's own account; it asks for proof first."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for proof where it is due."""
        return lead_to_proof(request) or super().dispatch(request, *args, **kwargs)

    def back(self) -> str:
        """Lead to the account."""
        return reverse("account")


class RemoveFactor(_Own):
    """Remove the app or a passkey."""

    def words(self) -> Words:
        """Name the effect."""
        effect = ("Log-ins no longer ask for it.", "With the last one the recovery codes go too.")
        return Words("Remove this second factor?", effect, "Remove it", danger=True)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Remove it."""
        factors.remove(user=self.user, factor_id=self.kwargs["factor_id"], by=self.user, now=self.now)
        return Done("The second factor is removed.", self.back())


class RenewCodes(_Own):
    """Make new recovery codes."""

    def words(self) -> Words:
        """Name the effect."""
        return Words("Make new recovery codes?", ("The old ones are worthless at once.",), "Make new codes")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Make them."""
        factors.renew_codes(user=self.user, by=self.user, now=self.now)
        return Done("There are new recovery codes.", reverse("account_codes"))


class EndSession(_Own):
    """End one session."""

    def words(self) -> Words:
        """Name the effect."""
        return Words("End this session?", ("Whoever uses it must log in again.",), "End the session")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """End it."""
        sessions.end_one(user=self.user, session_id=self.kwargs["session_id"], by=self.user, now=self.now)
        return Done("The session is ended.", self.back())


class EndOthers(_Own):
    """End all other sessions."""

    def words(self) -> Words:
        """Name the effect."""
        return Words("End all your other sessions?", ("This one goes on.",), "End the others")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """End them."""
        user = self.user
        end_sessions(user=user, by=user, now=self.now)
        sessions.keep(self.request, user)
        return Done("Your other sessions are ended.", self.back())


class Unlink(_Own):
    """Forget an external account."""

    def words(self) -> Words:
        """Name the effect."""
        return Words("Disconnect this account?", ("It no longer logs you in here.",), "Disconnect", danger=True)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Forget it."""
        provider.unlink(user=self.user, account_id=self.kwargs["account_id"], by=self.user, now=self.now)
        return Done("The account is disconnected.", self.back())
