"""Giving and taking back the rights that a person holds beside those of the role."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Forbidden
from audit.transitions import note
from registry.models import User
from registry.permissions import may_manage_people
from registry.rights import Right


@transaction.atomic
def give_right(*, user: User, right: Right, by: Acting, now: datetime) -> bool:
    """Give a right; say whether it was missing.

    Raises:
        Forbidden: not an administrator, or the account is closed.
    """
    may_manage_people(by)
    if right.held_by(user):
        return False
    if not user.is_active:
        raise Forbidden("The account is not active.")
    user.user_permissions.add(right.permission())
    note(user, kind=f"person.{right.codename}_granted", by=by, now=now)
    return True


@transaction.atomic
def withdraw_right(*, user: User, right: Right, by: Acting, now: datetime) -> bool:
    """Take a right back; say whether it was there.

    Raises:
        Forbidden: not an administrator.
    """
    may_manage_people(by)
    if not right.held_by(user):
        return False
    user.user_permissions.remove(right.permission())
    note(user, kind=f"person.{right.codename}_withdrawn", by=by, now=now)
    return True
