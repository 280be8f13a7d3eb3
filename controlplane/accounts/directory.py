"""What groups of the identity provider mean here. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

Pairs = Sequence[tuple[str, str]]


def groups_of(claims: Sequence[dict[str, Any]], name: str) -> frozenset[str]:
    """Return the groups that a provider's claims name.

    Args:
        claims: of the id token and of the userinfo endpoint.
        name: the claim; a list of texts, or one text.
    """
    found: set[str] = set()
    for source in claims:
        value = source.get(name)
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, list):
            found.update(group for group in value if isinstance(group, str))
    return frozenset(found)


def role_of(groups: Collection[str], roles: Pairs) -> str | None:
    """Return the role of the first pair whose group the person has; None: nothing maps.

    Args:
        groups: the person's.
        roles: pairs of role and group, the first match counts.
    """
    return next((role for role, group in roles if group in groups), None)


def teams_of(groups: Collection[str], teams: Pairs) -> frozenset[str]:
    """Return the slugs of the teams that the groups map to.

    Args:
        groups: the person's.
        teams: pairs of team and group.
    """
    return frozenset(team for team, group in teams if group in groups)
