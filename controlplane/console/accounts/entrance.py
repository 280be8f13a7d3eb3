"""The ways in: password, second factor, passkey, and proving again who one is."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows import login as login_flow
from allauth.account.models import Login
from allauth.account.views import LoginView, LogoutView, ReauthenticateView
from allauth.core import context
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as CodeView
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.views import LoginWebAuthnView, ReauthenticateWebAuthnView
from allauth.socialaccount.adapter import get_adapter as get_provider_adapter
from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from controlplane.accounts import factors, lockouts
from controlplane.accounts.adapters import AccountAdapter
from registry.models import User

_LONGEST_CODE = 40


class LogInForm(forms.Form):
    """User name and password; one answer for whatever is wrong with them."""

    username = forms.CharField(
        label="User name", max_length=150, strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True, "autocapitalize": "none"}),
    )  # fmt: skip
    password = forms.CharField(
        label="Password", strip=False, max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip

    def __init__(self, *args: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """Look at the password.

        Raises:
            ValidationError: name or password is wrong, the account is not active, or the log-in is closed.
        """
        data = self.cleaned_data
        if self.errors:
            return data
        assert self.request is not None
        self.user = AccountAdapter(self.request).authenticate(
            self.request, username=data["username"], password=data["password"]
        )
        if self.user is None:
            raise forms.ValidationError("User name and password are not correct together.", code="incorrect")
        return data

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """Go on: to the second factor, or in."""
        credentials = {"username": self.cleaned_data["username"]}
        answer: HttpResponse = login_flow.perform_password_login(
            request, credentials, Login(user=self.user, redirect_url=redirect_url)
        )
        return answer


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code", max_length=_LONGEST_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
        help_text="Six digits of the app, or one of your recovery codes.",
    )  # fmt: skip
    reauthenticated = False

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_code(self) -> str:
        """Spend the code.

        Raises:
            ValidationError: it is nobody's, or was spent before.
        """
        code = str(self.cleaned_data["code"])
        self.factor = factors.use_code(user=self.user, code=code, now=timezone.now())
        if self.factor is None:
            raise forms.ValidationError("This code is wrong, or was used already.", code="incorrect")
        return code

    def save(self) -> None:
        """Remember in the session that the factor was shown."""
        assert self.factor is not None
        self.factor.user = self.user
        post_authentication(context.request, self.factor, reauthenticated=self.reauthenticated)


class ProofForm(CodeForm):
    """The same, of somebody who is in already."""

    reauthenticated = True


class Framed:
    """Draws a page in the console's look, and stops at a closed log-in.

    Attributes:
        site: the console.
        heading: of the page.
    """

    site: AdminSite = None  # type: ignore[assignment]  # as_view() gives it
    heading = "Log in"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the console's frame."""
        mine = super().get_context_data(**kwargs)  # type: ignore[misc]  # of the view beside it
        return {**self.site.each_context(self.request), "title": self.heading, **mine}

    def closed_for(self, user: User) -> HttpResponse | None:
        """Return the answer of a closed log-in, if it is closed for this person from here."""
        return lockouts.answer(self.request) if lockouts.is_closed(self.request, user) else None

    def begin(self, user: User) -> HttpResponse | None:
        """Count a try of this person's from here before it is looked at, or return the answer of a closed log-in."""
        return None if lockouts.begin(self.request, user.username) else lockouts.answer(self.request)

    def wrong(self, method: str) -> HttpResponse | None:
        """Note that the try was wrong; return the answer if that closed the log-in."""
        return lockouts.answer(self.request) if lockouts.end_wrong(self.request, method=method) else None


class LogIn(Framed, LoginView):
    """The log-in page."""

    form_class = LogInForm
    template_name = "account/login.html"

    def get_form_class(self) -> type[forms.Form]:
        """Return ours."""
        return LogInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the other ways in."""
        ways = get_provider_adapter(self.request).list_providers(self.request)
        return {
            **super().get_context_data(**kwargs),
            "next": self.request.POST.get("next") or self.request.GET.get("next", ""),
            "passwords": settings.PASSWORD_LOGIN,
            "providers": ways,
        }


class LogOut(Framed, LogoutView):
    """Log out: asks on GET, does it on POST."""

    heading = "Log out"
    template_name = "account/logout.html"


class SecondFactor(Framed, AuthenticateView):
    """The second step of a log-in: a code, or a passkey."""

    heading = "Second factor"
    template_name = "account/second_factor.html"

    def get_form_class(self) -> type[forms.Form]:
        """Return ours."""
        return CodeForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take what was shown, unless the log-in is closed."""
        answer: HttpResponse = self.begin(self.stage.login.user) or super().post(request, *args, **kwargs)
        return answer

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Go in."""
        lockouts.end_right(self.request)
        answer: HttpResponse = super().form_valid(form)
        return answer

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        """Count it."""
        method = "code" if isinstance(form, CodeForm) else "webauthn"
        answer: HttpResponse = self.wrong(method) or super().form_invalid(form)
        return answer


class PasskeyLogIn(LoginWebAuthnView):
    """A log-in by passkey alone: GET brings the challenge, POST its answer."""

    site: AdminSite = None  # type: ignore[assignment]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Bring the challenge."""
        return JsonResponse({"request_options": webauthn.begin_authentication(user=None)})

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        """Count it towards the address: whose passkey it should have been is anybody's word."""
        may_try = lockouts.begin(self.request, lockouts.name_of(self.request))
        if not may_try or lockouts.end_wrong(self.request, method="webauthn"):
            return lockouts.answer(self.request)
        context = {**self.site.each_context(self.request), "title": "Log in"}
        return TemplateResponse(self.request, "account/passkey_refused.html", context, status=403)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Go in, unless the log-in is closed."""
        if lockouts.is_closed(self.request, form.cleaned_data["credential"].user):
            return lockouts.answer(self.request)
        answer: HttpResponse = super().form_valid(form)
        return answer


class _Proof(Framed):
    heading = "Prove that it is you"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take the proof, unless too many were wrong."""
        user: Any = request.user
        answer: HttpResponse = self.closed_for(user) or super().post(request, *args, **kwargs)  # type: ignore[misc]
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Carry along where the person wanted to go."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next", "")
        return {**super().get_context_data(**kwargs), "next": wanted}


class ProveByPassword(_Proof, ReauthenticateView):
    """By password; the lock-out counts inside the authentication."""

    template_name = "account/prove.html"


class ProveByCode(_Proof, CodeView):
    """By a code."""

    template_name = "account/prove.html"

    def get_form_class(self) -> type[forms.Form]:
        """Return ours."""
        return ProofForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take the code, counted before it is looked at."""
        user: Any = request.user
        answer: HttpResponse = self.begin(user) or CodeView.post(self, request, *args, **kwargs)
        return answer

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Go on."""
        lockouts.end_right(self.request)
        answer: HttpResponse = super().form_valid(form)
        return answer

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        """Count it."""
        answer: HttpResponse = self.wrong("code") or super().form_invalid(form)
        return answer


class ProveByPasskey(_Proof, ReauthenticateWebAuthnView):
    """By a passkey."""

    template_name = "account/prove_passkey.html"
