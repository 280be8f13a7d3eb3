"""Pages of the registry: agents with everything that governs them, people, teams, verbs."""
