"""Pages of policies: what is in force, what was decided, and why."""
