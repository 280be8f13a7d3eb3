"""Lock-out: too many wrong passwords or codes close the log-in for a while.

Three counts, each over the cool-off: of one name from one address, of one name from
everywhere (higher, so that a stranger cannot lock a person out with a handful of tries), and of
one address (higher still, against lists of names). Names nobody has count like all others, so a
lock says nothing about who exists.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.base import AbstractAxesHandler, AxesBaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from audit import sql
from audit.actors import Acting, System
from audit.operations import record
from registry import permissions
from registry.models import User

LIMIT = 5
LIMIT_OF_NAME = 50
LIMIT_OF_ADDRESS = 100
COOL_OFF = timedelta(minutes=15)
_LOCK = "accounts.lockouts"
_NOBODY = "unknown:"
_BY = System("log_in")


@dataclass(frozen=True, slots=True)
class Lock:
    """One closed log-in.

    Attributes:
        name: the user name, or a digest of one that nobody has.
        address: the caller's; empty where the whole name is closed.
        failures: how many.
        until: when it opens by itself, aware UTC.
    """

    name: str
    address: str
    failures: int
    until: datetime


class Backend(AxesStandaloneBackend):
    """First of the backends: it refuses while the log-in is closed, before any password is looked at."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Refuse or say nothing. Without a request nobody logs in: a command or a test asks.

        Raises:
            PermissionDenied: closed; no other backend is asked then.
        """
        if request is not None:
            super().authenticate(request, **credentials)


class Handler(AbstractAxesHandler, AxesBaseHandler):
    """What django-axes asks: whether the log-in is closed, and what happened."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures that count, `LIMIT` at least once any of the three bounds is reached."""
        name, address = name_of(request, credentials), _address(request)
        return _count(name, address, since=timezone.now() - COOL_OFF)

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """Count a failed log-in; what happens while it is closed does not prolong the lock."""
        if request is None:
            return
        if request.axes_locked_out:
            request.axes_credentials = credentials
            return
        if fail(name=name_of(request, credentials), address=_address(request), now=timezone.now()):
            request.axes_locked_out = True
            request.axes_credentials = credentials

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Forget the failures of this name from this address: the person is here."""
        address = _address(request)
        if address:
            AccessAttempt.objects.filter(username=user.get_username(), ip_address=address).delete()

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing to count."""

    def post_save_access_attempt(self, instance: Any, **kwargs: Any) -> None:
        """Nothing to add to a saved attempt."""

    def post_delete_access_attempt(self, instance: Any, **kwargs: Any) -> None:
        """Nothing to add to a forgotten one."""


def name_of(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the name to count under. One that nobody has is kept as a digest: it may be a mistyped password."""
    given = str((credentials or {}).get("username") or "")
    if User.objects.filter(username=given).exists():
        return given
    digest = hmac.new(settings.SECRET_KEY.encode(), given.encode(), hashlib.sha256).hexdigest()
    return f"{_NOBODY}{digest[:24]}"


def is_closed(request: HttpRequest, user: User) -> bool:
    """Say whether a person cannot try from here now: neither password nor code."""
    return not AxesProxyHandler.is_allowed(request, {"username": user.username})


@transaction.atomic
def fail(*, name: str, address: str, now: datetime, method: str = "password") -> bool:
    """Count one failure and note it.

    The trail gets one entry for each until the log-in closes and one for the closing; what is tried
    meanwhile leaves none, so that nobody can flood it.

    Returns:
        Whether the log-in is closed now.
    """
    sql.advisory_lock(_LOCK)
    AccessAttempt.objects.filter(attempt_time__lt=now - COOL_OFF).delete()
    attempt, created = AccessAttempt.objects.get_or_create(
        username=name,
        ip_address=address or None,
        user_agent="",
        defaults={"failures_since_start": 1, "get_data": "", "post_data": "", "http_accept": "", "path_info": ""},
    )
    if not created:
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            failures_since_start=F("failures_since_start") + 1, attempt_time=now
        )
    closed = _count(name, address, since=now - COOL_OFF) >= LIMIT
    shown = "" if name.startswith(_NOBODY) else name
    facts = {"method": method, "address": address}
    record(kind="person.log_in_failed", object_type="person", object_id=shown, by=_BY, now=now, details=facts)
    if closed:
        record(
            kind="person.locked_out", object_type="person", object_id=shown, by=_BY, now=now,
            details={"address": address, "until": (now + COOL_OFF).isoformat()},
        )  # fmt: skip
    return closed


@transaction.atomic
def lift(*, name: str, by: Acting, now: datetime) -> bool:
    """Open a closed log-in again, from every address.

    Args:
        name: as `Lock` has it.
        by: an administrator.
        now: aware UTC.

    Returns:
        Whether there was anything to forget.

    Raises:
        Forbidden: `by` does not manage people.
    """
    permissions.may_manage_people(by)
    sql.advisory_lock(_LOCK)
    forgotten: int = AccessAttempt.objects.filter(username=name).delete()[0]
    if forgotten:
        shown = "" if name.startswith(_NOBODY) else name
        record(kind="person.lock_lifted", object_type="person", object_id=shown, by=by, now=now)
    return forgotten > 0


def locks(*, now: datetime) -> list[Lock]:
    """Return every log-in that is closed now, the newest first."""
    recent = AccessAttempt.objects.filter(attempt_time__gte=now - COOL_OFF).order_by()
    pairs = recent.values("username", "ip_address").annotate(
        tries=Sum("failures_since_start"), last=Max("attempt_time")
    )
    found = [
        Lock(row["username"], row["ip_address"] or "", row["tries"], row["last"] + COOL_OFF)
        for row in pairs
        if row["tries"] >= LIMIT
    ]
    names = recent.values("username").annotate(tries=Sum("failures_since_start"), last=Max("attempt_time"))
    found += [
        Lock(row["username"], "", row["tries"], row["last"] + COOL_OFF)
        for row in names
        if row["tries"] >= LIMIT_OF_NAME
    ]
    return sorted(found, key=lambda lock: lock.until, reverse=True)


def answer(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Render the answer of a closed log-in: the same for every name."""
    minutes = int(COOL_OFF.total_seconds() // 60)
    response = TemplateResponse(request, "account/locked.html", {"minutes": minutes, "title": "Log in"}, status=429)
    response["Retry-After"] = str(int(COOL_OFF.total_seconds()))
    return response.render()


def _count(name: str, address: str, *, since: datetime) -> int:
    recent = AccessAttempt.objects.filter(attempt_time__gte=since)
    here = recent.filter(ip_address=address) if address else recent.filter(ip_address__isnull=True)
    pair = _sum(here.filter(username=name))
    if _sum(recent.filter(username=name)) >= LIMIT_OF_NAME or _sum(here) >= LIMIT_OF_ADDRESS:
        return max(pair, LIMIT)
    return pair


def _sum(rows: QuerySet[Any]) -> int:
    return rows.aggregate(tries=Sum("failures_since_start"))["tries"] or 0


def _address(request: Any) -> str:
    """Return the caller's address as the middleware of trusted proxies left it."""
    return str(request.META.get("REMOTE_ADDR") or "")
