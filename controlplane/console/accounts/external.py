"""To the identity provider and back."""

from __future__ import annotations

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from controlplane.accounts.oidc import SignedAdapter
from controlplane.accounts.provider import PROVIDER, settings_of


@never_cache
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider: to log in, or to connect the account they are logged in to."""
    if settings_of() is None:
        raise Http404
    wanted = request.POST.get("next", "")
    process = AuthProcess.CONNECT if request.user.is_authenticated else AuthProcess.LOGIN
    found = get_adapter(request).get_provider(request, PROVIDER)
    try:
        answer: HttpResponse = found.redirect(
            request, process, next_url=wanted if get_account_adapter(request).is_safe_url(wanted) else None
        )
    except RequestException as error:
        return _failed(request, found, error)
    except ImmediateHttpResponse as done:
        answer = done.response
    return answer


@never_cache
@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the provider's answer."""
    if settings_of() is None or provider_id != PROVIDER:
        raise Http404
    answer: HttpResponse = OAuth2CallbackView.adapter_view(SignedAdapter(request, PROVIDER))(request)
    return answer


def _failed(request: HttpRequest, found: object, error: Exception) -> HttpResponse:
    try:
        get_adapter(request).on_authentication_error(request, found, exception=error)
    except ImmediateHttpResponse as done:
        answer: HttpResponse = done.response
        return answer
    raise error
