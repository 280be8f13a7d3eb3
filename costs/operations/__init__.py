"""Every write of costs that is not part of a decision (those: `costs.budgets`)."""

from costs.documents import budget_document, budget_documents
from costs.operations.alerts import pause_spent
from costs.operations.budgets import save_budget
from costs.operations.pricing import grant_price, preview, price_model, withdraw_price
from costs.operations.rating import Rerated, rerate
from costs.operations.rollups import roll_up
from costs.operations.topping import top_up
from costs.operations.usage import Recorded, RecordedUsage, record_usage
from costs.reports import UsageReport

__all__ = [
    "Recorded",
    "RecordedUsage",
    "Rerated",
    "UsageReport",
    "budget_document",
    "budget_documents",
    "grant_price",
    "pause_spent",
    "preview",
    "price_model",
    "record_usage",
    "rerate",
    "roll_up",
    "save_budget",
    "top_up",
    "withdraw_price",
]
