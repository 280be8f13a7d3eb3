"""What people choose for themselves: clock, quiet hours, delegate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from audit.models import Entry
from audit.refusals import Invalid
from registry.models import User
from registry.operations import deactivate, set_clock, set_delegate
from registry.preferences import Preferences, delegate_at, in_quiet_hours, zones
from tests.world import NOW, World

BERLIN = "Europe/Berlin"
NIGHT = Preferences(BERLIN, time(22), time(7))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-11-23T21:59:59+01:00", False),
        ("2026-11-23T22:00:00+01:00", True),
        ("2026-11-24T00:00:00+01:00", True),
        ("2026-11-24T06:59:59+01:00", True),
        ("2026-11-24T07:00:00+01:00", False),
        # The night of 29 March has no 02:00 to 03:00: it is an hour shorter, and ends at the wall's seven.
        ("2026-03-29T01:59:59+01:00", True),
        ("2026-03-29T03:00:00+02:00", True),
        ("2026-03-29T06:59:59+02:00", True),
        ("2026-03-29T07:00:00+02:00", False),
        # The night of 25 October has it twice.
        ("2026-10-25T02:30:00+02:00", True),
        ("2026-10-25T02:30:00+01:00", True),
        ("2026-10-25T06:59:59+01:00", True),
        ("2026-10-25T07:00:00+01:00", False),
    ],
)
def test_a_night_is_quiet_by_the_wall_clock(moment: str, quiet: bool) -> None:
    assert in_quiet_hours(NIGHT, at(moment)) is quiet


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-03-29T01:59:59+01:00", False),
        ("2026-03-29T03:00:00+02:00", False),  # a window that lies in the skipped hour is never shown
        ("2026-10-25T02:10:00+02:00", True),
        ("2026-10-25T02:10:00+01:00", True),  # and one in the hour that comes twice counts both times
        ("2026-10-25T02:45:00+01:00", False),
    ],
)
def test_an_hour_that_is_skipped_or_comes_twice(moment: str, quiet: bool) -> None:
    assert in_quiet_hours(Preferences(BERLIN, time(2), time(2, 40)), at(moment)) is quiet


def test_without_hours_nothing_is_quiet_and_a_naive_time_is_refused() -> None:
    assert not in_quiet_hours(Preferences(), NOW)
    with pytest.raises(ValueError, match="aware"):
        in_quiet_hours(NIGHT, NOW.replace(tzinfo=None))


_TIMES = st.times().map(lambda found: found.replace(second=0, microsecond=0))


@given(
    zone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    begin=_TIMES, end=_TIMES, minutes=st.integers(0, 2 * 366 * 24 * 60),
)  # fmt: skip
def test_a_window_and_the_one_that_is_left_share_the_day(zone: str, begin: time, end: time, minutes: int) -> None:
    moment = NOW + timedelta(minutes=minutes)
    if begin != end:
        inside, outside = Preferences(zone, begin, end), Preferences(zone, end, begin)
        assert in_quiet_hours(inside, moment) is not in_quiet_hours(outside, moment)


def test_zones_are_places_and_utc() -> None:
    assert zones()[0] == "UTC"
    assert {BERLIN, "America/Argentina/Buenos_Aires"} <= set(zones())
    assert not {"Etc/GMT+3", "EST", "localtime", "posixrules"} & set(zones())


@pytest.mark.django_db
def test_a_clock_is_kept_and_said_in_the_trail(world: World) -> None:
    person = world.owner
    given: dict[str, Any] = {"zone": BERLIN, "quiet_from": time(22), "quiet_until": time(7)}
    assert set_clock(**given, by=person, now=NOW)
    assert not set_clock(**given, by=person, now=NOW)
    assert User.objects.get(pk=person.pk).preferences == person.preferences == NIGHT
    entry = Entry.objects.get(kind="person.clock_set")
    assert (entry.object_id, entry.actor_id) == (person.username, person.username)
    assert json.loads(entry.details)["zone"] == {"from": "UTC", "to": BERLIN}
    assert json.loads(entry.details)["quiet_from"] == {"from": None, "to": "22:00:00"}
    assert User.objects.exclude(pk=person.pk).exclude(zone="UTC").count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"zone": "Europe/Nowhere"}, "/zone"),
        ({"zone": "../../etc/passwd"}, "/zone"),
        ({"zone": ""}, "/zone"),
        ({"zone": "UTC", "quiet_from": time(22)}, "/quiet_until"),
        ({"zone": "UTC", "quiet_until": time(22)}, "/quiet_from"),
        ({"zone": "UTC", "quiet_from": time(22), "quiet_until": time(22)}, "/quiet_until"),
    ],
)
def test_a_clock_that_nobody_has_is_refused(world: World, given: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        set_clock(**given, by=world.owner, now=NOW)
    assert [problem.pointer for problem in refused.value.errors] == [pointer]
    assert not Entry.objects.filter(kind="person.clock_set").exists()


@pytest.mark.django_db
def test_a_delegate_is_told_for_a_time_and_gets_no_right(world: World) -> None:
    person, other, day = world.owner, world.stranger, timedelta(days=1)
    rights = set(other.get_all_permissions())
    assert set_delegate(to=other, begins=NOW + day, ends=NOW + 3 * day, by=person, now=NOW)
    kept = User.objects.get(pk=person.pk).preferences
    told = [delegate_at(kept, NOW + number * day) for number in (0, 1, 2, 3)]
    assert told == [None, other.pk, other.pk, None]
    fresh = User.objects.get(pk=other.pk)
    assert set(fresh.get_all_permissions()) == rights
    assert fresh.operated_teams == other.operated_teams
    assert json.loads(Entry.objects.get(kind="person.delegate_set").details)["delegate"]["to"] == other.username
    assert set_delegate(to=None, by=person, now=NOW)
    assert User.objects.get(pk=person.pk).preferences == Preferences()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("begins", "ends", "pointer"),
    [
        (None, NOW, "/begins"),
        (NOW, None, "/ends"),
        (NOW, NOW, "/ends"),
        (NOW - timedelta(days=2), NOW - timedelta(days=1), "/ends"),
        (NOW, NOW + timedelta(days=367), "/ends"),
        (datetime(9998, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), "/ends"),
    ],
)
def test_a_delegate_has_a_stated_time(world: World, begins: Any, ends: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        set_delegate(to=world.operator, begins=begins, ends=ends, by=world.owner, now=NOW)
    assert [problem.pointer for problem in refused.value.errors] == [pointer]


@pytest.mark.django_db
def test_nobody_stands_in_for_themselves_or_from_a_closed_account(world: World) -> None:
    deactivate(user=world.stranger, by=world.admin, now=NOW)
    for person in (world.owner, world.stranger):
        with pytest.raises(Invalid):
            set_delegate(to=person, begins=NOW, ends=NOW + timedelta(days=1), by=world.owner, now=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "broken",
    [
        {"quiet_from": time(22)},
        {"delegate": "owner"},
        {"delegate": "operator"},
        {"delegate": "operator", "delegate_from": NOW},
        {"delegate": "operator", "delegate_from": NOW, "delegate_until": NOW},
    ],
)
def test_the_database_repeats_it(world: World, broken: dict[str, Any]) -> None:
    columns = {name: getattr(world, value) if name == "delegate" else value for name, value in broken.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=world.owner.pk).update(**columns)
