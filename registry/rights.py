"""Rights that a person holds beside those of the role: given by administrators, one by one."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Permission

from registry.models import User


@dataclass(frozen=True, slots=True)
class Right:
    """One such right.

    Attributes:
        app: label of the app that asks for it.
        codename: of Django's permission; also names it in the trail.
    """

    app: str
    codename: str

    def held_by(self, user: User) -> bool:
        """Whether the person was given it; being a superuser or an administrator is not it."""
        return user.user_permissions.filter(content_type__app_label=self.app, codename=self.codename).exists()

    def permission(self) -> Permission:
        """Return Django's row."""
        return Permission.objects.get(content_type__app_label=self.app, codename=self.codename)
