"""Log-ins, log-outs and open sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest

from audit.actors import Acting, System
from audit.refusals import Missing
from audit.transitions import note
from registry import permissions
from registry.models import User


@transaction.atomic
def note_log_in(*, user: User, methods: Sequence[str], now: datetime) -> None:
    """Record that a person logged in, and by what: ``password``, ``totp``, ``webauthn``, ``socialaccount``."""
    note(user, kind="person.logged_in", by=user, now=now, details={"methods": list(methods)})


@transaction.atomic
def note_log_out(*, user: User, now: datetime) -> None:
    """Record that a person logged out."""
    note(user, kind="person.logged_out", by=user, now=now)


@transaction.atomic
def note_refusal(*, user: User, reason: str, by: System, now: datetime) -> None:
    """Record that somebody proved who they are and was not let in."""
    note(user, kind="person.log_in_refused", by=by, now=now, details={"reason": reason})


def open_sessions(user: User) -> list[UserSession]:
    """Return a person's open sessions, the newest first; what has ended meanwhile is forgotten."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.created_at, reverse=True)


@transaction.atomic
def end_one(*, user: User, session_id: int, by: Acting, now: datetime) -> None:
    """End one of one's own sessions.

    Raises:
        Forbidden: neither one's own nor an administrator's doing.
        Missing: the person has no such session.
    """
    permissions.may_change_password(by, user)
    session = UserSession.objects.filter(user=user, pk=session_id).first()
    if session is None:
        raise Missing
    session.end()
    note(user, kind="person.session_ended", by=by, now=now, details={"session": session_id, "address": session.ip})


def keep(request: HttpRequest, user: User) -> None:
    """Let the present session go on after all of a person's sessions were ended, under a new key."""
    UserSession.objects.filter(user=user, session_key=request.session.session_key).delete()
    update_session_auth_hash(request, user)
    UserSession.objects.create_from_request(request)
