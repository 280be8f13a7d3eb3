"""Occasions of accounts: logging in, factors, sessions, one's own preferences."""

from __future__ import annotations

from datetime import timedelta

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.test import Client

from audit import sql
from controlplane.accounts import factors, lockouts
from controlplane.console.undoing import undo_of_pause
from registry.models import Agent, User
from registry.operations import deactivate, pause_agent, save_view
from tests.controlplane.accounts.conftest import code_of
from tests.forms import over
from tests.matrix.asking import Asker
from tests.trail.sending import Occasion, Send, enter, enter_by_password, posts
from tests.world import PASSWORD

# --- logging in ------------------------------------------------------------------------------


def _app(user: User) -> str:
    """Give somebody an authenticator app; return its secret."""
    secret, past = generate_totp_secret(), sql.now() - timedelta(minutes=2)
    code = factors.format_hotp_value(factors.hotp_value(secret, int(past.timestamp()) // factors.PERIOD))
    factors.add_app(user=user, secret=secret, code=code, by=user, now=past)
    return secret


def log_in(asker: Asker) -> Send:
    return lambda: Client().post("/login/", {"username": "talent-reviewer", "password": PASSWORD})


def second_factor(asker: Asker) -> Send:
    user = asker.places.world.reviewer
    secret, client = _app(user), enter_by_password(user)
    return lambda: client.post("/login/code/", {"code": code_of(secret)})


def add_app(asker: Asker) -> Send:
    client = enter_by_password(asker.places.world.reviewer)
    secret = client.get("/account/app/").content.decode().split("data-select>")[1].split("<")[0]
    return lambda: client.post("/account/app/", {"code": code_of(secret)})


def _strong(asker: Asker) -> tuple[User, Client]:
    """Return somebody with an app, and their client, in by password and code."""
    user = asker.places.world.reviewer
    secret, client = _app(user), enter_by_password(user)
    assert client.post("/login/code/", {"code": code_of(secret)}).status_code == 302
    return user, client


def show_codes(asker: Asker) -> Send:
    _, client = _strong(asker)
    return lambda: client.post("/account/codes/")


def renew_codes(asker: Asker) -> Send:
    _, client = _strong(asker)
    return lambda: client.post("/account/codes/renew/")


def remove_factor(asker: Asker) -> Send:
    user, client = _strong(asker)
    row = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    return lambda: client.post(f"/account/factors/{row.pk}/remove/")


def end_session(asker: Asker) -> Send:
    user = asker.places.world.reviewer
    other, client = enter_by_password(user), enter_by_password(user)
    for each in (other, client):
        each.get("/account/")
    row = UserSession.objects.get(user=user, session_key=other.session.session_key)
    return lambda: client.post(f"/account/sessions/{row.pk}/end/")


def end_others(asker: Asker) -> Send:
    client = enter_by_password(asker.places.world.reviewer)
    return lambda: client.post("/account/sessions/end-others/")


def disconnect(asker: Asker) -> Send:
    user = asker.places.world.reviewer
    row = SocialAccount.objects.create(user=user, provider="sso", uid="1")
    client = enter_by_password(user)
    return lambda: client.post(f"/account/external/{row.pk}/disconnect/")


def _lock(user: User) -> None:
    for _ in range(lockouts.LIMIT):
        lockouts.count(name=user.username, address="203.0.113.7", now=sql.now())


def open_closed(asker: Asker) -> Send:
    world = asker.places.world
    _lock(world.second)
    return posts(world.admin, "/account/closed-log-ins/", {"name": world.second.username})


def open_log_in(asker: Asker) -> Send:
    world = asker.places.world
    _lock(world.second)
    return posts(world.admin, f"/registry/user/{world.second.pk}/open-log-in/", {})


def reset_factors(asker: Asker) -> Send:
    world = asker.places.world
    _app(world.second)
    return posts(world.admin, f"/registry/user/{world.second.pk}/reset-factors/", {})


def reactivate(asker: Asker) -> Send:
    world = asker.places.world
    deactivate(user=world.second, by=world.admin, now=sql.now())
    return posts(world.admin, f"/registry/user/{world.second.pk}/reactivate/", {})


def edit_person(asker: Asker) -> Send:
    world = asker.places.world
    body = {"first_name": "Ada", "last_name": "", "email": "", "role": world.second.role}
    edit = f"/registry/user/{world.second.pk}/edit/"
    return posts(world.admin, edit, over(enter(world.admin), edit, body))


# --- one's own preferences -------------------------------------------------------------------


def shortcuts(asker: Asker) -> Send:
    user = asker.places.world.reviewer
    return posts(user, "/shortcuts/", {} if user.shortcuts else {"shortcuts": "on"})


def clock(asker: Asker) -> Send:
    return posts(asker.places.world.reviewer, "/clock/", {"zone": "Asia/Tokyo"})


def delegate(asker: Asker) -> Send:
    world = asker.places.world
    body = {"to": world.second.pk, "begins": "2098-01-01T00:00", "ends": "2099-01-01T00:00"}
    return posts(world.reviewer, "/delegate/", body)


def forget_view(asker: Asker) -> Send:
    user = asker.places.world.operator
    view = save_view(page="registry.agent", name="mine", query="q=x", by=user, now=sql.now())
    return posts(user, f"/views/{view.pk}/forget/", {})


def undo(asker: Asker) -> Send:
    user, now = asker.places.world.operator, sql.now()
    agent = Agent.objects.get(slug="own-agent")
    pause_agent(agent=agent, reason="a slip", by=user, now=now)
    return posts(user, "/undo/", {"token": undo_of_pause(agent, by=user, at=now)})


_USER = "registry/user/<str:object_id>/"

OCCASIONS: dict[tuple[str, str], Occasion] = {
    ("POST", "login/"): log_in,
    ("POST", "login/code/"): second_factor,
    ("POST", "account/app/"): add_app,
    ("POST", "account/codes/"): show_codes,
    ("POST", "account/codes/renew/"): renew_codes,
    ("POST", "account/factors/<int:factor_id>/remove/"): remove_factor,
    ("POST", "account/sessions/<int:session_id>/end/"): end_session,
    ("POST", "account/sessions/end-others/"): end_others,
    ("POST", "account/external/<int:account_id>/disconnect/"): disconnect,
    ("POST", "account/closed-log-ins/"): open_closed,
    ("POST", _USER + "open-log-in/"): open_log_in,
    ("POST", _USER + "reset-factors/"): reset_factors,
    ("POST", _USER + "reactivate/"): reactivate,
    ("POST", _USER + "edit/"): edit_person,
    ("POST", "shortcuts/"): shortcuts,
    ("POST", "clock/"): clock,
    ("POST", "delegate/"): delegate,
    ("POST", "views/<int:view_id>/forget/"): forget_view,
    ("POST", "undo/"): undo,
}
