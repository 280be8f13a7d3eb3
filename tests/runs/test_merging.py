"""States are total, and merging reports does not depend on their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import states
from runs.merging import merge
from runs.states import FailureState, RunStatus, is_final

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("table", "members"), [(states.RUN, RunStatus), (states.FAILURE, FailureState)])
def test_transition_tables_are_total(table: states.Table, members: Any) -> None:
    assert set(table) == set(members.values)
    assert set().union(*table.values()) <= set(members.values)


def test_final_statuses_lead_nowhere() -> None:
    assert {status for status in RunStatus.values if is_final(status)} == {
        "succeeded", "failed", "cancelled", "crashed",
    }  # fmt: skip


reports = st.fixed_dictionaries(
    {"status": st.sampled_from(["running", "succeeded", "failed"])},
    optional={"task": st.sampled_from(["a", "b"]), "duration_ms": st.sampled_from([0, 5])},
)


def _take(told: list[dict[str, Any]]) -> dict[str, Any]:
    kept: dict[str, Any] = {"status": "running", "task": "", "duration_ms": None}
    for report in told:
        kept |= merge(kept, report).changes
    return kept


@given(reports, reports)
def test_an_end_and_what_came_before_it_commute(one: dict[str, Any], end: dict[str, Any]) -> None:
    if not is_final(one["status"]) and is_final(end["status"]):
        assert _take([one, end]) == _take([end, one])


@given(st.lists(reports, max_size=5))
def test_the_first_end_stays(told: list[dict[str, Any]]) -> None:
    ends = [report["status"] for report in told if is_final(report["status"])]
    assert _take(told)["status"] == (ends[0] if ends else "running")


@given(st.lists(reports, max_size=5))
def test_an_end_sent_again_changes_nothing(told: list[dict[str, Any]]) -> None:
    kept = _take(told)
    for report in told:
        if is_final(report["status"]):
            assert {**kept, **merge(kept, report).changes} == _take([*told, report])


def test_zero_says_something() -> None:
    kept = {"status": "succeeded", "duration_ms": 0}
    assert merge(kept, {"status": "succeeded", "duration_ms": 5}).conflicts == ("duration_ms",)
