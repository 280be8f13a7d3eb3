"""Pages of money: where it goes, what bounds it, what models cost."""

from controlplane.console.costs.budgets import BudgetPages
from controlplane.console.costs.prices import PricePages
from controlplane.console.costs.spend import BudgetRow, spend_chart, standing_of
from controlplane.console.costs.usage import UsagePages

__all__ = ["BudgetPages", "BudgetRow", "PricePages", "UsagePages", "spend_chart", "standing_of"]
