"""The runner counts truly and fails loudly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner import Suite

# Each starts pytest anew.
pytestmark = pytest.mark.slow

TEST_FILE = """
import pytest
def test_good(): pass
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
def test_bad(): assert {truth}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path, "default")


def _pytest(suite: Suite, truth: bool, *options: str) -> None:
    path = suite.folder / "test_toy.py"
    path.write_text(TEST_FILE.format(truth=truth))
    suite.tests("toys", str(path), "--rootdir", str(suite.folder), "-c", "/dev/null", "-p", "no:django", *options)


def test_summary_counts_tests_and_checks(suite: Suite, capfd: pytest.CaptureFixture[str]) -> None:
    _pytest(suite, True)
    suite.check("content", "true")
    assert suite.summary() == 0
    assert capfd.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 1 skipped"


def test_one_failure_fails_the_whole(suite: Suite, capfd: pytest.CaptureFixture[str]) -> None:
    _pytest(suite, False)
    suite.check("discontent", "false")
    assert suite.summary() == 1
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 2 failed, 1 skipped"


def test_run_without_tests_is_a_failure(suite: Suite) -> None:
    _pytest(suite, True, "-k", "nothing_matches")
    assert suite.summary() == 1


def test_run_that_breaks_before_counting_is_a_failure(suite: Suite, capfd: pytest.CaptureFixture[str]) -> None:
    suite.tests("broken", "--no-such-option")
    assert suite.summary() == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
