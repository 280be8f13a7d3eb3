"""Who exists: people, teams, agents, versions, releases, keys, commands, kill switches."""
