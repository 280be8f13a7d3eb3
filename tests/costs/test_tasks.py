"""The scheduled work, as the worker calls it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from costs import tasks
from costs.models import CostRollup, Reservation
from costs.states import ReservationState
from registry.models import Agent
from registry.states import AgentState
from tests.costs.spending import make_budget, reserve, spend
from tests.world import World


def test_roll_up_task_sums_what_was_recorded(world: World) -> None:
    spend(world.agent, 3)
    assert tasks.roll_up(some_later_argument=1) == 1
    assert tasks.roll_up() == 0
    assert CostRollup.objects.daily().count() == 1


def test_expire_reservations_task_ends_what_is_a_day_old(world: World) -> None:
    now = timezone.now()
    make_budget(now=now)
    reserve(world.agent, 3, now=now - timedelta(hours=25))
    reserve(world.agent, 3, now=now)
    assert tasks.expire_reservations() == 1
    assert Reservation.objects.filter(state=ReservationState.RELEASED).count() == 1


def test_pause_spent_task_makes_up_for_a_crash(world: World) -> None:
    make_budget(at_limit="pause")
    spend(world.agent, 100)
    assert tasks.pause_spent() == 1
    assert Agent.objects.get(pk=world.agent.pk).state == AgentState.PAUSED
    assert tasks.pause_spent() == 0
