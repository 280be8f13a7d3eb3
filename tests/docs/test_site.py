"""The documentation as a site: it builds without a warning and asks no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from policies.language.rules import KEYS
from policies.language.shapes import LIMIT_BY
from tests.docs.blocks import ROOT, blocks, pages

_LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = _LOADS.get(tag)
        if tag == "link" and dict(attrs).get("rel") in {"canonical", "author"}:
            return
        self.addresses += [value or "" for name, value in attrs if name == wanted]


@pytest.mark.once
@pytest.mark.slow
def test_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "trees")]
    built = subprocess.run(
        [*command, "docs", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    foreign = {}
    written = sorted((tmp_path / "site").rglob("*.html"))
    for page in written:
        reader = _Loaded()
        reader.feed(page.read_text())
        foreign[page.name] = [address for address in reader.addresses if re.match(r"(?:https?:)?//", address)]
    assert len(written) > len(pages()) - 2
    assert {name: found for name, found in foreign.items() if found} == {}
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", sheet.read_text()), sheet
    assert (tmp_path / "site" / "searchindex.js").exists()


def test_every_rule_and_key_of_the_policy_language_has_its_place() -> None:
    page = ROOT / "docs" / "policies.md"
    text = page.read_text()
    examples = "\n".join(block.text for block in blocks(page) if block.language == "yaml")
    assert [kind for kind in KEYS if f"\n## {kind}\n" not in text] == []
    used = {key for kind, keys in KEYS.items() for key in keys if f"{key}:" not in examples}
    assert used == set(), "keys without an example"
    assert [word for word in LIMIT_BY if word not in text] == []


def test_every_policy_on_the_page_is_tested() -> None:
    examples = [block for block in blocks(ROOT / "docs" / "policies.md") if block.language == "yaml"]
    assert examples
    assert [block.line for block in examples if "policies:" in block.text and "expect:" not in block.text] == []
