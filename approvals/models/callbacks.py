"""Where an agent waits to be told: an address that may carry a signature, kept until it has been handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from approvals.models.requests import ApprovalRequest
from approvals.states import ApprovalState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


class CallbackQuerySet(models.QuerySet["Callback"]):
    """Readings of callbacks."""

    def decided(self, ids: Iterable[UUID]) -> Self:
        """Keep those of the named requests that do not wait for people any more."""
        return self.filter(request__in=ids).exclude(request__state=ApprovalState.PENDING)


class Callback(models.Model):
    """One agent's address for one held action. Write-only: nobody is shown it, and it is forgotten after its use."""

    request = models.OneToOneField(ApprovalRequest, models.PROTECT, primary_key=True, related_name="+")
    url = models.TextField(help_text="encrypted, bound to the row")

    objects = CallbackQuerySet.as_manager()

    class Meta:
        ordering = ("request",)

    def __str__(self) -> str:
        return f"callback of {self.request_id}"

    @staticmethod
    def place(request_id: UUID) -> str:
        """Say where the address stands, for its encryption."""
        return f"approvals_callback/{request_id}/url"
