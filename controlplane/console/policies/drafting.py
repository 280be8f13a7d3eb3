"""A draft that begins with a decision: the policies in force and one more, which permits what was asked (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from controlplane.console.policies.copying import rule_for
from policies.language import parse
from registry.documents import DocumentInvalid

# A slug has 64 characters at most, and the name is told from others by a number behind it.
_LONGEST: Final = 40
_PATTERN: Final = "*"


def with_rule(
    document: Mapping[str, Any], *, agent: str, verb: str, destinations: Sequence[str], units: int
) -> tuple[dict[str, Any], str]:
    """Return a policy set with a policy more, for one agent, whose one rule permits exactly an action.

    It permits nothing yet to anybody: it is the text that a draft begins with.

    Args:
        document: policies by slug.
        agent: slug of whoever asked.
        verb: what was asked for.
        destinations: as extracted.
        units: how many things it touched.

    Returns:
        The set and the new policy's slug; the set as it was and an empty slug where no rule can say just this: a
        destination that reads as a pattern would permit more than was asked.
    """
    if any(_PATTERN in place for place in destinations):
        return dict(document), ""
    base = f"drafted-{agent[:_LONGEST]}"
    slug = next(name for name in (base, *(f"{base}-{number}" for number in range(2, 1_000))) if name not in document)
    policy = {
        "mode": "enforce",
        "applies_to": {"agents": [agent]},
        "rules": [{"allow": rule_for(verb=verb, destinations=destinations, units=units)}],
    }
    try:
        parse({slug: policy})
    except DocumentInvalid:
        # What was asked was never an action that a rule could name.
        return dict(document), ""
    return {**document, slug: policy}, slug
