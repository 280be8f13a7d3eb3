"""Ground floor: the append-only trail, state transitions and refusals. Knows no other app."""
