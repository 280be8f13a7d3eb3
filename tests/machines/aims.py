"""Which deeds a step is for, so that most steps lead somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.machines.things import Deed


def waits(deed: Deed) -> bool:
    """Whether people are to decide it."""
    return deed.rounds[-1].approval == "pending"


def granted(deed: Deed) -> bool:
    """Whether it may be redeemed."""
    return deed.granted is not None and deed.granted.grant == "issued"


def ends(deed: Deed) -> bool:
    """Whether time ends it."""
    return waits(deed) or granted(deed)


def under_way(deed: Deed) -> bool:
    """Whether nobody has said what came of it."""
    return deed.granted is not None and deed.granted.grant == "redeemed"


def silent(deed: Deed) -> bool:
    """Whether a person is to say what came of it."""
    return deed.granted is not None and deed.granted.grant == "outcome_unknown"


def reserved(deed: Deed) -> bool:
    """Whether usage settles something."""
    return deed.money in {"held", "released"}


def some(wanted: Callable[[Deed], bool]) -> Callable[[Any], bool]:
    """Admit a rule only where there is a deed that it is for."""
    return lambda self: any(wanted(deed) for deed in self.model.deeds.values())
