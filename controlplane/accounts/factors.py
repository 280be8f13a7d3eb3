"""Second factors: authenticator apps, passkeys, recovery codes."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.db import transaction

from audit.actors import Acting
from audit.refusals import Conflict, Missing, invalid
from audit.transitions import note
from controlplane.accounts.encryption import decrypt
from registry import permissions
from registry.models import User

PERIOD = 30
# One step to either side: phones' clocks are a little off.
TOLERANCE = 1
_STRONG = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_factor(user: User) -> bool:
    """Say whether a person has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user=user, type__in=_STRONG).exists())


def matching_step(secret: str, code: str, *, at: float) -> int | None:
    """Return the time step whose code this is, near a moment; None if there is none.

    Args:
        secret: in base 32.
        code: what the person typed.
        at: seconds since 1970.
    """
    present = int(at) // PERIOD
    for step in range(present - TOLERANCE, present + TOLERANCE + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            return step
    return None


@transaction.atomic
def add_app(*, user: User, secret: str, code: str, by: Acting, now: datetime) -> bool:
    """Add an authenticator app, proven by its first code, which is spent with it.

    Returns:
        Whether recovery codes were made beside it.

    Raises:
        Forbidden: not one's own account.
        Conflict: there is one already.
        Invalid: the code is not the secret's.
    """
    _own(by, user)
    _locked(user)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise Conflict("An authenticator app is set up already. Remove it first.")
    step = matching_step(secret, code, at=now.timestamp())
    if step is None:
        raise invalid("/code", "incorrect_code", "The code is not the one that the app shows now.")
    row = TOTP.activate(user, secret).instance
    row.data["last_step"] = step
    row.save(update_fields=["data"])
    note(user, kind="person.factor_added", by=by, now=now, details={"type": row.type, "id": row.pk})
    return _ensure_codes(user, by=by, now=now)


@transaction.atomic
def add_passkey(*, user: User, name: str, credential: dict[str, Any], by: Acting, now: datetime) -> bool:
    """Add a passkey whose registration was verified.

    Returns:
        Whether recovery codes were made beside it.

    Raises:
        Forbidden: not one's own account.
    """
    _own(by, user)
    _locked(user)
    row = WebAuthn.add(user, name, credential).instance
    note(user, kind="person.factor_added", by=by, now=now, details={"type": row.type, "id": row.pk})
    return _ensure_codes(user, by=by, now=now)


@transaction.atomic
def remove(*, user: User, factor_id: int, by: Acting, now: datetime) -> None:
    """Remove an app or a passkey; recovery codes go with the last one.

    Raises:
        Forbidden: not one's own account.
        Missing: there is no such factor.
    """
    _own(by, user)
    row = Authenticator.objects.filter(user=user, pk=factor_id, type__in=_STRONG).first()
    if row is None:
        raise Missing
    note(user, kind="person.factor_removed", by=by, now=now, details={"type": row.type, "id": row.pk})
    row.delete()
    if not has_factor(user):
        Authenticator.objects.filter(user=user).delete()


@transaction.atomic
def reset(*, user: User, by: Acting, now: datetime) -> bool:
    """Take all second factors from somebody who lost them; their sessions end.

    Returns:
        Whether there were any.

    Raises:
        Forbidden: `by` does not manage people.
    """
    permissions.may_manage_people(by)
    rows = Authenticator.objects.filter(user=user)
    types = sorted(set(rows.values_list("type", flat=True)))
    if not types:
        return False
    rows.delete()
    user.refresh_from_db()
    user.session_epoch += 1
    user.save(update_fields=["session_epoch"])
    note(user, kind="person.factors_reset", by=by, now=now, details={"types": types})
    return True


@transaction.atomic
def renew_codes(*, user: User, by: Acting, now: datetime) -> None:
    """Replace the recovery codes: the old ones are worthless at once.

    Raises:
        Forbidden: not one's own account.
        Conflict: there is no factor that they could stand in for.
    """
    _own(by, user)
    _locked(user)
    if not has_factor(user):
        raise Conflict("Recovery codes stand in for a second factor. Set one up first.")
    Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
    RecoveryCodes.activate(user)
    note(user, kind="person.recovery_codes_renewed", by=by, now=now)


@transaction.atomic
def show_codes(*, user: User) -> list[str]:
    """Return the recovery codes, once; afterwards nothing."""
    row = Authenticator.objects.select_for_update().filter(user=user, type=Authenticator.Type.RECOVERY_CODES).first()
    if row is None or row.data.get("viewed_at"):
        return []
    row.data["viewed_at"] = time.time()
    row.save(update_fields=["data"])
    codes: list[str] = RecoveryCodes(row).get_unused_codes()
    return codes


@transaction.atomic
def use_code(*, user: User, code: str, now: datetime) -> Authenticator | None:
    """Spend a code of the app or a recovery code; return whose it is, None if nobody's.

    A code of the app counts once: the last step is kept with it, so another process, or the next
    half minute of the tolerance, does not take it again.
    """
    _locked(user)
    for row in Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP):
        step = matching_step(decrypt(row.data["secret"]), code, at=now.timestamp())
        if step is not None and step > row.data.get("last_step", 0):
            row.data["last_step"] = step
            row.save(update_fields=["data"])
            return row
    for row in Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES):
        if RecoveryCodes(row).validate_code(code):
            row.refresh_from_db()
            left = len(RecoveryCodes(row).get_unused_codes())
            note(user, kind="person.recovery_code_used", by=user, now=now, details={"left": left})
            return row
    return None


def _ensure_codes(user: User, *, by: Acting, now: datetime) -> bool:
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).exists():
        return False
    RecoveryCodes.activate(user)
    note(user, kind="person.recovery_codes_renewed", by=by, now=now)
    return True


def _own(by: Acting, user: User) -> None:
    acting = permissions.person(by)
    permissions.require(acting is not None and acting.pk == user.pk, "Only the person themselves may do this.")


def _locked(user: User) -> None:
    """Hold the person's row: SQLite has one writer, PostgreSQL locks it."""
    User.objects.select_for_update().get(pk=user.pk)
