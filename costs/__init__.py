"""What it costs: prices, usage, rollups and budgets."""
