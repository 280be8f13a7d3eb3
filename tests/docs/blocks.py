"""Code blocks of a Markdown page, in the form in which the documentation's tests run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent.parent
_CAPTION = re.compile(r"\A:caption: *(\S+)\n+", re.ASCII)
_DIRECTIVE = re.compile(r"<!-- step: (.+?) -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, or a step that a person takes (an HTML comment ``<!-- step: … -->``).

    Attributes:
        line: where it begins, counted from 1.
        language: ``sh``, ``json``, …; ``step`` for a person's step.
        text: what stands in it.
        file: the file that it shows (its caption), if it shows one.
    """

    line: int
    language: str
    text: str
    file: str | None


def pages() -> list[Path]:
    """Return every page that people read: the README and the guides, but not the decisions behind them."""
    written = (path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr")
    return [ROOT / "README.md", *sorted(written)]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    found = []
    for token in MarkdownIt().parse(page.read_text()):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            found += [Block(line, "step", step, None) for step in _DIRECTIVE.findall(token.content)]
        elif token.type == "code_block":
            found.append(Block(line, "indented", token.content, None))
        elif token.type == "fence":
            language = token.info.removeprefix("{code-block}").strip()
            caption = _CAPTION.match(token.content)
            text = token.content[caption.end() :] if caption else token.content
            found.append(Block(line, language, text, caption.group(1) if caption else None))
    return found
