"""Version 1 of the HTTP API: parses, makes one domain call, renders. It has no rules of its own."""
