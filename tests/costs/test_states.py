"""States are total; every reservation's state has a place in the table."""

from __future__ import annotations

from costs.states import GUARDED, RANK, RESERVATION, AtLimit, ReservationState, Scope


def test_reservation_table_is_total() -> None:
    assert set(RESERVATION) == set(ReservationState)
    assert set().union(*RESERVATION.values()) <= set(ReservationState)


def test_every_scope_has_a_rank_from_leaf_to_root() -> None:
    assert sorted(Scope, key=lambda scope: RANK[scope]) == [Scope.TASK, Scope.AGENT, Scope.TEAM, Scope.ORGANISATION]


def test_only_alerting_budgets_cannot_refuse() -> None:
    assert set(AtLimit) - GUARDED == {AtLimit.ALERT}
