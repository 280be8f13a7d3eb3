"""The audit trail: who did what, and the proof."""

from controlplane.console.trail.lists import EntryPages
from controlplane.console.trail.standing import LAGGING, TrailStanding, read_standing

__all__ = ["LAGGING", "EntryPages", "TrailStanding", "read_standing"]
