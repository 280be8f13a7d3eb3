"""Object permissions of the console, in one place.

guardian does not filter Django's admin: here rows that a person may not see are not in the
queryset, so that lists, object pages and dialogs answer for them as for what does not exist.
What a person may see is said by the model's QuerySet (``visible_to``), which the API asks as
well; there is no second rule.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from controlplane.console.people import viewer
from registry.models import User
from registry.states import Role

EVERYBODY = frozenset(Role.values)
READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER, Role.AUDITOR})


class ByRights(BaseModelAdmin):  # type: ignore[type-arg]  # of any model
    """Pages that show what the person may see, and whose stock forms write nothing.

    Attributes:
        roles: who has these pages at all.
        related: what the queryset joins.
    """

    roles: ClassVar[frozenset[str]] = READERS
    related: ClassVar[tuple[str, ...]] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the person has these pages."""
        user = request.user
        return isinstance(user, User) and user.is_active and user.role in self.roles

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the person has these pages and sees the object."""
        return self.has_module_permission(request) and (
            obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()
        )

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is added by a stock form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is changed by a stock form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted by a stock form."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the person may see."""
        rows = self.visible(viewer(request))
        # Without names it would join every foreign key there is.
        return rows.select_related(*self.related) if self.related else rows

    def visible(self, user: User) -> QuerySet[Any]:
        """Return the rows that a person may see. Subclasses may join and prefetch, never widen."""
        manager: Any = self.model._default_manager
        rows: QuerySet[Any] = manager.visible_to(user)
        return rows

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object.

        Raises:
            Http404: missing, or not theirs to see, or called by another spelling of its key: the answer is the same.
        """
        find: Any = self.get_object  # type: ignore[attr-defined]  # of the admin that this is mixed into
        row = find(request, object_id) if self.has_module_permission(request) else None
        # A key is read leniently ("+1", "01", digits of other scripts), but an object has one address.
        if row is None or str(row.pk) != object_id:
            raise Http404
        return row
