"""The tables of costs."""

from costs.models.budgets import (
    Budget,
    BudgetAlert,
    BudgetPeriod,
    BudgetQuerySet,
    Reservation,
    ReservationQuerySet,
)
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
    "Reservation",
    "ReservationQuerySet",
    "SpendQuerySet",
    "Usage",
    "UsageQuerySet",
]
