"""Lock-out: too many wrong passwords or codes close the log-in for a while.

Three counts, each over the cool-off: of one name from one address, of one name from
everywhere (higher, so that a stranger cannot lock a person out with a handful of tries), and of
one address (higher still, against lists of names). Names nobody has count like all others, so a
lock says nothing about who exists. Each try counts before anything is looked at, so that tries side by side cannot
pass a bound together; what turns out right is taken back.
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
from django.core.exceptions import PermissionDenied
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


@dataclass(frozen=True, slots=True)
class Try:
    """One try, counted and not yet looked at.

    Attributes:
        name: counted under it, as `name_of` gave it.
        address: likewise; empty where it is not known.
        closes: whether the log-in is closed if it is wrong.
    """

    name: str
    address: str
    closes: bool


class Backend(AxesStandaloneBackend):
    """First of the backends: it counts the try, or refuses it while the log-in is closed."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Refuse or say nothing. Without a request nobody logs in: a command or a test asks.

        Raises:
            PermissionDenied: closed; no other backend is asked then.
        """
        if request is None:
            return
        AxesProxyHandler.update_request(request)
        if not begin(request, name_of(request, credentials)):
            request.axes_locked_out = True
            raise PermissionDenied("The log-in is closed.")


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
        if request.axes_locked_out or end_wrong(request, method="password"):
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


def begin(request: Any, name: str) -> bool:
    """Count a try of a password or code before it is looked at; `end_right` or `end_wrong` says what came of it.

    Args:
        request: keeps the try.
        name: as `name_of` gives it.

    Returns:
        Whether it may be looked at.
    """
    request.log_in_try = count(name=name, address=_address(request), now=timezone.now())
    return request.log_in_try is not None


def end_right(request: Any) -> None:
    """Take a try back that was right. Earlier wrong ones count on until the person is in."""
    made: Try | None = getattr(request, "log_in_try", None)
    if made is not None:
        request.log_in_try = None
        take_back(made=made)


def end_wrong(request: Any, *, method: str) -> bool:
    """Note a try that was wrong.

    Args:
        request: keeps the try.
        method: what was wrong: ``password``, ``code``, ``webauthn``.

    Returns:
        Whether the log-in is closed now.
    """
    made: Try | None = getattr(request, "log_in_try", None)
    if made is None:
        return False
    request.log_in_try = None
    note_wrong(made=made, now=timezone.now(), method=method)
    return made.closes


@transaction.atomic
def count(*, name: str, address: str, now: datetime) -> Try | None:
    """Count one try, unless the log-in is closed: both in one transaction that no other overlaps.

    Returns:
        The try; None while it is closed.
    """
    sql.advisory_lock(_LOCK)
    since = now - COOL_OFF
    AccessAttempt.objects.filter(attempt_time__lt=since).delete()
    if _count(name, address, since=since) >= LIMIT:
        return None
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
    return Try(name, address, closes=_count(name, address, since=since) >= LIMIT)


@transaction.atomic
def take_back(*, made: Try) -> None:
    """Count a try no longer."""
    sql.advisory_lock(_LOCK)
    AccessAttempt.objects.filter(username=made.name, failures_since_start__gt=0, **_where(made.address)).update(
        failures_since_start=F("failures_since_start") - 1
    )


@transaction.atomic
def note_wrong(*, made: Try, now: datetime, method: str) -> None:
    """Record a counted try that was wrong.

    The trail gets one entry for each until the log-in closes and one for the closing; what is tried
    meanwhile leaves none, so that nobody can flood it.
    """
    shown = "" if made.name.startswith(_NOBODY) else made.name
    facts = {"method": method, "address": made.address}
    record(kind="person.log_in_failed", object_type="person", object_id=shown, by=_BY, now=now, details=facts)
    if made.closes:
        record(
            kind="person.locked_out", object_type="person", object_id=shown, by=_BY, now=now,
            details={"address": made.address, "until": (now + COOL_OFF).isoformat()},
        )  # fmt: skip


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
    here = recent.filter(**_where(address))
    pair = _sum(here.filter(username=name))
    if _sum(recent.filter(username=name)) >= LIMIT_OF_NAME or _sum(here) >= LIMIT_OF_ADDRESS:
        return max(pair, LIMIT)
    return pair


def _where(address: str) -> dict[str, Any]:
    return {"ip_address": address} if address else {"ip_address__isnull": True}


def _sum(rows: QuerySet[Any]) -> int:
    return rows.aggregate(tries=Sum("failures_since_start"))["tries"] or 0


def _address(request: Any) -> str:
    """Return the caller's address as the middleware of trusted proxies left it."""
    return str(request.META.get("REMOTE_ADDR") or "")
