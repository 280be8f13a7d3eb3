"""Addresses of logging in and of one's own account.

The log-in stands before the console's own, so that there is one way in and no way around the second factor.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from controlplane.console.accounts import entrance, external, home, people


def urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses.

    Args:
        site: the console, whose frame the pages wear.
    """

    def inside(view: Any) -> Any:
        return site.admin_view(view.as_view(site=site))

    def outside(view: Any) -> Any:
        return never_cache(view.as_view(site=site))

    return [
        path("login/", outside(entrance.LogIn), name="account_login"),
        path("login/code/", outside(entrance.SecondFactor), name="mfa_authenticate"),
        path("login/passkey/", outside(entrance.PasskeyLogIn), name="mfa_login_webauthn"),
        path("login/provider/", external.start, name="openid_connect_start"),
        path("login/provider/<slug:provider_id>/callback/", external.callback, name="openid_connect_callback"),
        path("logout/", outside(entrance.LogOut), name="account_logout"),
        path("account/prove/password/", outside(entrance.ProveByPassword), name="account_reauthenticate"),
        path("account/prove/code/", outside(entrance.ProveByCode), name="mfa_reauthenticate"),
        path("account/prove/passkey/", outside(entrance.ProveByPasskey), name="mfa_reauthenticate_webauthn"),
        path("account/", inside(home.Account), name="account"),
        path("account/app/", inside(home.AddApp), name="account_app"),
        path("account/passkey/", inside(home.AddPasskey), name="account_passkey"),
        path("account/codes/", inside(home.Codes), name="account_codes"),
        path("account/codes/renew/", inside(home.RenewCodes), name="account_codes_renew"),
        path("account/factors/<int:factor_id>/remove/", inside(home.RemoveFactor), name="account_factor_remove"),
        path("account/sessions/<int:session_id>/end/", inside(home.EndSession), name="account_session_end"),
        path("account/sessions/end-others/", inside(home.EndOthers), name="account_sessions_end"),
        path("account/external/<int:account_id>/disconnect/", inside(home.Unlink), name="account_unlink"),
        path("account/closed-log-ins/", inside(people.Lockouts), name="account_locks"),
    ]
