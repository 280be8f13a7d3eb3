"""Refusing secrets where nothing may be taken out: definitions, parameters, policies, whole documents."""

from __future__ import annotations

from typing import Any

from audit.refusals import Invalid, Problem
from runs.redaction import secret_places

CODE = "secret"
_DETAIL = "This looks like a secret, and what is kept here is read by many. Name where the secret is kept instead."


def secrets_in(value: Any) -> dict[str, Problem]:
    """Return a defect for each place of a JSON value that holds a secret, by its pointer. No defect repeats it."""
    return {pointer: Problem(told, CODE, _DETAIL) for pointer, told in secret_places(value).items()}


def refuse_secrets(value: Any) -> None:
    """Look for secrets in what is kept to the letter.

    Args:
        value: any JSON value.

    Raises:
        Invalid: with a pointer to each.
    """
    if problems := secrets_in(value):
        raise Invalid("It holds what looks like a secret.", errors=tuple(problems.values()))
