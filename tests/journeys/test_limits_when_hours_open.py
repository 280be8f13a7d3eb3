"""The instant at which opening hours begin, met between the first judgement and the clock behind the locks."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection

from controlplane import gateway
from controlplane.addresses import database_address
from controlplane.apply import apply_document
from controlplane.gateway.answers import Answer
from policies.models import Admission
from registry.authentication import Principal, authenticate
from registry.models import Agent
from registry.operations import issue_key
from registry.states import Role
from tests.world import make_admin, make_person

OPENS = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DOCUMENT = """
teams:
  talent: {name: Talent, members: [talent-lead], lead: talent-lead}
verbs:
  form.submit: {capability: write, destination: {at: /url}}
agents:
  job-applier:
    {name: Job application agent, owner: talent-lead, team: talent, purpose: Forms, capabilities: [write],
     data_scopes: [candidates], enforcement: advisory}
policies:
  job-applications:
    mode: enforce
    rules:
      - allow: {name: submit, verb: form.submit}
      - limit: {name: pace, verb: form.submit, units: 2, per: 1d, by: agent}
      - hours: {name: office, verb: form.submit, zone: UTC, days: mon, from: "09:00", until: "18:00", holidays: [DAYS]}
"""
FORM: dict[str, Any] = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}

LIMIT = "job-applications/pace/job-applier"

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Clock:
    """The clock behind the locks: it says one time, and looks whether the limit's lock is held when it is read."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.held: list[bool] = []

    def __call__(self) -> datetime:
        self.held.append(_is_locked())
        return self.moment


def _is_locked() -> bool:
    """Say whether another process that wants the limit would have to wait now."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(known["NAME"], timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    address = database_address({name: known[name] for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")})
    with psycopg.connect(address) as other:
        row = other.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [LIMIT]).fetchone()
    return row == (False,)


def _principal(*holidays: datetime) -> Principal:
    """Build an installation in which two forms a day may be submitted, on Mondays from nine on."""
    now = OPENS - timedelta(days=1)
    admin = make_admin(now=now)
    make_person("talent-lead", Role.OWNER, now=now)
    closed = ", ".join(day.date().isoformat() for day in holidays)
    apply_document(text=DOCUMENT.replace("DAYS", closed), by=admin, now=now, dry_run=False)
    agent = Agent.objects.get()
    _, text = issue_key(agent=agent, environment="production", scopes=["act"], by=admin, now=now)
    principal = authenticate(text, now=now)
    assert principal is not None
    return principal


def _ask(principal: Principal, key: str, *, first: datetime, clock: Clock) -> Answer:
    """Ask in a process whose time is `first`, where the clock behind the locks says something later."""
    with time_machine.travel(first, tick=False):
        return gateway.ask(principal=principal, key=key, raw=json.dumps(FORM).encode(), clock=clock)


def test_hours_that_open_behind_the_locks_find_the_limit_locked_and_take_it_once() -> None:
    principal = _principal()
    for number in range(2):
        clock = Clock(OPENS + timedelta(microseconds=number))
        answer = _ask(principal, f"opening-{number}", first=OPENS - timedelta(microseconds=1), clock=clock)
        assert answer.effect == "allow"
        # The judgement of the moment before was "closed", and named the limit all the same.
        assert clock.held == [True]
    assert list(Admission.objects.order_by("at").values_list("key", "at", "units")) == [
        (LIMIT, OPENS, 1),
        (LIMIT, OPENS + timedelta(microseconds=1), 1),
    ]

    clock = Clock(OPENS + timedelta(microseconds=2))
    answer = _ask(principal, "opening-2", first=OPENS - timedelta(microseconds=1), clock=clock)
    assert (answer.effect, answer.reasons[0]["code"]) == ("throttle", "rate_limited")
    assert answer.retry_at == OPENS + timedelta(days=1)
    assert Admission.objects.count() == 2


def test_a_limit_that_the_first_judgement_did_not_name_is_locked_before_it_is_taken() -> None:
    # Every Monday of the last sixty weeks was a holiday: seen from there, it never opens, and no limit is named.
    early = OPENS - timedelta(weeks=60)
    principal = _principal(*(early + timedelta(weeks=week) for week in range(60)))
    for number in range(2):
        clock = Clock(OPENS)
        answer = _ask(principal, f"first-{number}", first=early, clock=clock)
        assert answer.effect == "allow"
        # Read a second time, now behind the limit's lock. (SQLite's one writer holds everything from the start.)
        assert clock.held == ([True] if connection.vendor == "sqlite" else [False, True])
    assert list(Admission.objects.values_list("key", "at")) == [(LIMIT, OPENS)] * 2
    answer = _ask(principal, "first-2", first=early, clock=Clock(OPENS))
    assert (answer.effect, answer.reasons[0]["code"]) == ("throttle", "rate_limited")


def test_hours_that_stay_closed_take_nothing() -> None:
    principal = _principal()
    answer = _ask(principal, "closed", first=OPENS - timedelta(days=1), clock=Clock(OPENS - timedelta(microseconds=1)))
    assert (answer.effect, answer.retry_at) == ("throttle", OPENS)
    assert not Admission.objects.exists()
