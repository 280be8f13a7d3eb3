"""The tables of costs."""

from costs.models.budgets import (
    Budget,
    BudgetAlert,
    BudgetPeriod,
    BudgetQuerySet,
    Reservation,
    ReservationQuerySet,
    TopUp,
)
from costs.models.prices import ModelPrice, ModelPriceQuerySet
from costs.models.spend import Adjustment, CostRollup, DirtyBucket, SpendQuerySet
from costs.models.usage import Usage, UsageQuerySet

__all__ = [
    "Adjustment",
    "Budget",
    "BudgetAlert",
    "BudgetPeriod",
    "BudgetQuerySet",
    "CostRollup",
    "DirtyBucket",
    "ModelPrice",
    "ModelPriceQuerySet",
    "Reservation",
    "ReservationQuerySet",
    "SpendQuerySet",
    "TopUp",
    "Usage",
    "UsageQuerySet",
]
