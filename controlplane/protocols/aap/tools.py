"""From a tool to its verb: the catalogue, kept in the process and checked by revision at every use."""

from __future__ import annotations

from collections.abc import Mapping

from policies.snapshots import verbs_in_force
from registry.models import Catalogue
from registry.tools import Tool, by_tool


class _Memory:
    """The one index that this process holds; replaced whole, so readers need no lock."""

    held: tuple[int, Mapping[Tool, str]] | None = None


def verb_of(tool: Tool) -> str | None:
    """Return the verb that a tool stands for; None where the catalogue names none."""
    revision = Catalogue.objects.filter(pk=1).values_list("revision", flat=True).first() or 0
    held = _Memory.held
    if held is None or held[0] != revision:
        held = (revision, by_tool(verbs_in_force().values()))
        _Memory.held = held
    return held[1].get(tool)
