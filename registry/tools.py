"""Which verb a tool of an agent's framework stands for (pure).

A tool is named as the framework names it, with its server where it has one. An entry without a server stands for the
tool without a server and for no other: whoever runs a server of their own may call its tools as they like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from registry.documents import Problems, Section, join

if TYPE_CHECKING:
    from registry.catalogue import VerbSpec

# What the catalogue says of this verb holds for every tool that no verb claims.
UNMAPPED: Final = "tool.unmapped"
MOST_TOOLS: Final = 200
_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True, order=True)
class Tool:
    """A tool; `server` is empty where it has none."""

    name: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.server}".rstrip()

    def as_document(self) -> str | dict[str, str]:
        """Return what `read_tools` reads."""
        return {"tool": self.name, "server": self.server} if self.server else self.name


def read_tools(section: Section) -> tuple[Tool, ...]:
    """Read ``tools:`` of a verb: names, or ``{tool, server}``; sorted, each once.

    Args:
        section: the verb's entry.
    """
    found: set[Tool] = set()
    items = section.items("tools")
    if len(items) > MOST_TOOLS:
        section.add("tools", "too_many", f"A verb stands for at most {MOST_TOOLS} tools.")
    for index, item in enumerate(items[:MOST_TOOLS]):
        where = join(section.at("tools"), index)
        tool = _read_tool(section.problems, where, item)
        if tool in found:
            section.problems.add(where, "duplicate_name", f"“{tool}” stands here twice.")
        if tool is not None:
            found.add(tool)
    return tuple(sorted(found))


def _read_tool(problems: Problems, where: str, item: object) -> Tool | None:
    if isinstance(item, str):
        name, server = item, ""
    else:
        section = Section(problems, where, item)
        if section.broken:
            return None
        name, server = section.text("tool", required=True) or "", section.text("server", required=True) or ""
        section.close()
        if not name or not server:
            return None
    if _NAME.fullmatch(name) is None or (server and _NAME.fullmatch(server) is None):
        problems.add(where, "invalid_name", "A tool and its server are names of at most 200 characters without spaces.")
        return None
    return Tool(name, server)


def by_tool(specs: Iterable[VerbSpec]) -> dict[Tool, str]:
    """Return the verb of each tool.

    Raises:
        ValueError: two verbs claim one tool; its text names all three.
    """
    found: dict[Tool, str] = {}
    for spec in specs:
        for tool in spec.tools:
            if tool in found:
                message = f"“{tool}” stands for {found[tool]} and {spec.name}; a tool stands for one verb."
                raise ValueError(message)
            found[tool] = spec.name
    return found
