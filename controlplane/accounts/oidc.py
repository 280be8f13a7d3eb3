"""OpenID Connect as we read it: signature always checked, both sources of one person, our operations at the end."""

from __future__ import annotations

from typing import Any

import jwt
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialApp, SocialToken
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from audit.refusals import Refusal
from controlplane.accounts import provider
from controlplane.accounts.directory import groups_of
from registry.models import User

# Public-key signatures only: with a shared secret, or none, anybody could write the token.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_LEEWAY_SECONDS = 60
_PROOF_SECONDS = 300


class SignedAdapter(OpenIDConnectOAuth2Adapter):
    """Reads the provider's answer."""

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> Any:
        """Return the log-in with its groups.

        Raises:
            OAuth2Error: no id token, a bad one, or one that speaks of another person than userinfo does.
        """
        written = kwargs["response"].get("id_token")
        if not written:
            raise OAuth2Error("no id_token")
        claims = [self._decode_id_token(app, written)]
        if "userinfo_endpoint" in self.openid_config:
            claims.append(self._fetch_user_info(token.token))
        if provider.claims_differ(claims):
            raise OAuth2Error("id_token and userinfo differ")
        login = self.get_provider().sociallogin_from_response(request, {"id_token": claims[0], "userinfo": claims[-1]})
        # Groups are read at each log-in and kept nowhere.
        login.account.extra_data = {}
        facts = provider.settings_of()
        login.groups = groups_of(claims, facts.groups_claim) if facts else frozenset()
        merged = {**claims[0], **claims[-1]}
        login.called = str(merged.get("preferred_username") or merged.get("email") or "")
        return login

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        """Check signature, issuer, audience and time (OpenID Connect Core 1.0, 3.1.3.7)."""
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        try:
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
            wanted = jwt.get_unverified_header(id_token).get("kid")
            key = next((one for one in keys if one.key_id == wanted), None)
            if key is None:
                raise OAuth2Error("id_token names an unknown key")
            found: dict[str, Any] = jwt.decode(
                id_token, key.key, algorithms=ALGORITHMS, audience=app.client_id,
                issuer=self._issuer(), leeway=_LEEWAY_SECONDS, options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise OAuth2Error("the id_token is not valid") from error
        return found

    def _issuer(self) -> str:
        """Return the issuer, where the discovery document names the one of the settings.

        Raises:
            OAuth2Error: it names another one, so nothing of it is believed.
        """
        named = str(self.openid_config.get("issuer", ""))
        if named.rstrip("/") != str(self.get_provider().app.settings["server_url"]).rstrip("/"):
            raise OAuth2Error("the discovery document names another issuer")
        return named


class ProviderAdapter(DefaultSocialAccountAdapter):
    """People of the provider: found, created, changed and refused by our operations."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Say no: `admit` creates people."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect, or find and change the person before they come in.

        Raises:
            ImmediateHttpResponse: connected, refused, or not to be connected.
        """
        now = timezone.now()
        try:
            if sociallogin.state.get("process") == AuthProcess.CONNECT:
                self._connect(request, sociallogin.account.uid)
            account, refused = provider.admit(
                subject=sociallogin.account.uid, username=sociallogin.called, groups=sociallogin.groups, now=now
            )
        except Refusal as refusal:
            raise ImmediateHttpResponse(_refused(request, refusal.detail)) from refusal
        if refused:
            raise ImmediateHttpResponse(_refused(request, refused))
        sociallogin.account, sociallogin.user = account, account.user
        # The log-in may wait in the session for a second factor; the provider's token has no business there.
        sociallogin.token = None

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """Say that it did not work; what exactly stands in nobody's browser.

        Raises:
            ImmediateHttpResponse: always.
        """
        raise ImmediateHttpResponse(_refused(request, "The identity provider's answer could not be used. Try again."))

    def _connect(self, request: HttpRequest, subject: str) -> None:
        user = request.user
        moment = timezone.now().timestamp()
        records = get_authentication_records(request, user) if isinstance(user, User) else []
        if not isinstance(user, User) or not any(moment - row["at"] < _PROOF_SECONDS for row in records):
            raise ImmediateHttpResponse(_refused(request, "Log in again, then connect the account."))
        provider.link(user=user, subject=subject, by=user, now=timezone.now())
        raise ImmediateHttpResponse(HttpResponseRedirect(reverse("account")))


def _refused(request: HttpRequest, text: str) -> TemplateResponse:
    page = TemplateResponse(request, "account/refused.html", {"title": "Log in", "text": text}, status=403)
    page.render()
    return page
