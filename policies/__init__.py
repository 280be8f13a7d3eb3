"""What is allowed: policies, revisions, the pure engine, limits, decisions."""
