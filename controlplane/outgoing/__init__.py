"""Everything that leaves the house by HTTP goes through this door: `Guard`.

The URL is read strictly, its name resolved once, every address checked against our own list, and the connection made
to an address that was checked. At every attempt anew: what a name meant yesterday says nothing.
"""

from controlplane.outgoing.guard import BODY_LIMIT, Guard, Reply, Unreachable, guard
from controlplane.outgoing.urls import Target, UnsafeUrl, read_url

__all__ = ["BODY_LIMIT", "Guard", "Reply", "Target", "Unreachable", "UnsafeUrl", "guard", "read_url"]
