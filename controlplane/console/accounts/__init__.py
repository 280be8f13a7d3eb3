"""Logging in, and a person's own account."""

from controlplane.console.accounts.password import OwnPassword

__all__ = ["OwnPassword"]
