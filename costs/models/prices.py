"""Prices of our own, for models that the shipped list does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from registry.models import User
from registry.states import Role

if TYPE_CHECKING:
    from typing import Self


class ModelPriceQuerySet(models.QuerySet["ModelPrice"]):
    """Readings of our own prices."""

    def newest(self) -> Self:
        """Order so that the first of a model is the one that prices."""
        return self.order_by("model", "-id")

    def visible_to(self, user: User) -> Self:
        """Keep all for whoever sees costs: prices bind everyone. Reviewers read none."""
        return self if user.is_active and user.role != Role.REVIEWER else self.none()


class ModelPrice(models.Model):
    """What a model costs, as somebody wrote it down. Written once; a newer row takes its place."""

    model = models.CharField(max_length=200, help_text="the model's name, exactly as reported")
    input_nanousd = models.BigIntegerField(help_text="nano-USD per million tokens that no cache served or stored")
    cache_read_nanousd = models.BigIntegerField(help_text="nano-USD per million tokens read from a cache")
    cache_write_nanousd = models.BigIntegerField(help_text="nano-USD per million tokens written to a cache")
    output_nanousd = models.BigIntegerField(help_text="nano-USD per million tokens of output, reasoning included")
    reason = models.TextField(help_text="where the price comes from")
    by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField(help_text="UTC")

    objects = ModelPriceQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("price", "Price models and price usage again"),)
        indexes = (models.Index(fields=("model", "-id"), name="costs_price_model"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    input_nanousd__gte=0, cache_read_nanousd__gte=0, cache_write_nanousd__gte=0, output_nanousd__gte=0
                ),
                name="costs_price_amounts",
            ),
        )

    def __str__(self) -> str:
        return f"price {self.pk} of {self.model}"

    @property
    def version(self) -> str:
        """What usage rows pin."""
        return f"own price {self.pk}"
