"""The scheduled work, as the worker calls it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from costs import tasks
from costs.models import CostRollup, Reservation
from costs.states import ReservationState
from registry.models import Agent
from registry.states import AgentState
from tests.costs.spending import Small, make_budget, reserve, spend


def test_roll_up_task_sums_what_was_recorded(small: Small) -> None:
    spend(small.agent, 3)
    assert tasks.roll_up(some_later_argument=1) == 1
    assert tasks.roll_up() == 0
    assert CostRollup.objects.daily().count() == 1


def test_expire_reservations_task_ends_what_is_a_day_old(small: Small) -> None:
    now = timezone.now()
    make_budget(now=now)
    reserve(small.agent, 3, now=now - timedelta(hours=25))
    reserve(small.agent, 3, now=now)
    assert tasks.expire_reservations() == 1
    assert Reservation.objects.filter(state=ReservationState.RELEASED).count() == 1


def test_pause_spent_task_makes_up_for_a_crash(small: Small) -> None:
    now = timezone.now()
    make_budget(at_limit="pause", per="month", now=now)
    spend(small.agent, 100, now=now)
    assert tasks.pause_spent() == 1
    assert Agent.objects.get(pk=small.agent.pk).state == AgentState.PAUSED
    assert tasks.pause_spent() == 0
