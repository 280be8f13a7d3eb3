"""What commands share: who acts, and refusals as the command's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from audit.refusals import Refusal
from registry.models import User


def acting_person(username: str) -> User:
    """Return the person that ``--by`` names.

    Raises:
        CommandError: there is no such person, or they were deactivated.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"there is no active person named {username}")
    return user


@contextmanager
def refusals_as_errors() -> Iterator[None]:
    """Let a refusal end the command with its sentences and exit code 1.

    Raises:
        CommandError: in place of the refusal.
    """
    try:
        yield
    except Refusal as error:
        details = [problem.detail for problem in error.errors if problem.detail != error.detail]
        raise CommandError("\n  ".join([error.detail, *details])) from error
