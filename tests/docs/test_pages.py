"""Every page is followed as a reader would follow it, on an installation of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, pages
from tests.docs.walking import READ_ONLY, reader

# The README's commands are those of these pages and of CI itself; `test_words` holds them against the parsers.
WALKED = [page for page in pages()[1:] if any(block.language not in READ_ONLY for block in blocks(page))]


@pytest.mark.installation
@pytest.mark.parametrize("page", WALKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    with reader(tmp_path) as walk:
        walk.follow(page)
    assert walk.ran, "nothing on the page ran"
