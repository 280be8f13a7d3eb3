"""Whom a batch concerns: the same people as asked one by one, in a number of queries that does not grow."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import ApprovalRequest, Queue
from approvals.operations import escalate
from audit.models import Entry
from audit.operations import seal
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.delivery.models import Channel, Delivery
from controlplane.delivery.notices import FOR_REVIEWERS, GLASS, NOTICES, OF_APPROVALS, Notice, notice_of
from controlplane.delivery.readers import follow
from controlplane.delivery.readers.concern import read_concern
from controlplane.delivery.readers.notices import NOTICES_READER
from registry.authentication import authenticate
from registry.models import Team, TeamGroupRight, User
from registry.operations import deactivate
from registry.permissions import operators_of
from registry.preferences import delegate_at
from registry.states import Role
from tests.delivery.steps import SOON, happen, read_on
from tests.world import INSTALLATION, NOW, World, make_agent, make_key, make_person

DOCUMENT = """
queues:
  chiefs: {reviewers: ["user:solo", billing]}
  outreach: {reviewers: [talent, "user:solo"], quorum: 1, ttl: 24h, escalate: {after: 1h, to: chiefs}}
  people: {reviewers: ["user:solo"]}
policies:
  mails: {mode: enforce, rules: [{review: {name: mail, verb: "email.**", queue: outreach}}]}
  forms: {mode: enforce, rules: [{review: {name: form, verb: form.submit, queue: people}}]}
"""
pytestmark = pytest.mark.slow

KINDS = (
    "approval.requested", "approval.reminded", "approval.escalated", "approval.approved", "approval.expired",
    "approval.break_glass", "failure.new", "budget.threshold", "kill_switch.thrown", "trigger.fired",
)  # fmt: skip


def one_by_one(entry: Entry, notice: Notice, people: list[User], *, now: datetime) -> set[int]:
    """Ask the database for each person, by the readings that the console shows people their rows by."""

    def concerns(user: User) -> bool:
        if notice is GLASS:
            seated = ApprovalRequest.objects.reviewed_by(user).filter(pk=entry.object_id)
            return seated.exists() or entry.agent in user.owned_agents or entry.team in user.operated_teams
        if notice.word in FOR_REVIEWERS:
            seated = ApprovalRequest.objects.reviewed_by(user).filter(pk=entry.object_id)
            return seated.exclude(asked_by_key_of=user).exists()
        if notice is NOTICES["kill"] and not entry.team:
            return True
        if not entry.team and user.role == Role.ADMIN:
            return True
        return entry.agent in user.owned_agents if entry.agent else entry.team in user.operated_teams

    def stands_in(user: User) -> bool:
        absent = User.objects.filter(delegate=user, is_active=True)
        return (
            any(delegate_at(each.preferences, now) == user.pk and concerns(each) for each in absent)
            and ApprovalRequest.objects.visible_to(user).filter(pk=entry.object_id).exists()
        )

    return {user.pk for user in people if concerns(user) or (notice.word in OF_APPROVALS and stands_in(user))}


def held(text: str, verb: str, number: int) -> ApprovalRequest:
    """Have an action held that a key asks."""
    principal = authenticate(text, now=NOW)
    assert principal is not None
    payload = {"to": ["jane@acme.com"]} if verb == "email.send" else {"url": "https://jobs.example.com/1"}
    raw = json.dumps({"verb": verb, "payload": payload}).encode()
    answer = gateway.ask(principal=principal, key=f"k{number}", raw=raw, clock=lambda: SOON)
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.latest("id")


def made_crowd(world: World) -> list[ApprovalRequest]:
    """Seat, lend, delegate and shut out people in every way; return held actions."""
    make_person("solo", "reviewer")
    grouped, away, second_away = (make_person(name, "operator") for name in ("grouped", "away", "second-away"))
    apply_document(text=DOCUMENT, by=world.admin, now=NOW)
    group = Group.objects.create(name="night shift")
    grouped.groups.add(group)
    right = Permission.objects.get(content_type__app_label="registry", codename="operate_team")
    TeamGroupRight.objects.create(group=group, permission=right, content_object=world.team)
    biller = make_agent("biller", owner=world.owner, team=world.other, by=world.admin)
    texts = [world.text, make_key(biller, by=world.stranger)[1]]
    verbs = ("email.send", "form.submit")
    pairs = [(text, verb) for text in texts for verb in verbs]
    requests = [held(text, verb, number) for number, (text, verb) in enumerate(pairs)]
    escalate(request=requests[0], queue=Queue.objects.get(slug="outreach"), by=INSTALLATION, now=SOON)
    day = timedelta(days=1)
    # Who is away, who is told for them, and for how many days from then on.
    for absent, delegate, begins in (
        (world.reviewer, world.stranger, -1),
        (world.second, world.auditor, -1),
        (world.owner, away, -1),
        (away, grouped, -1),
        (world.stranger, world.operator, 1),
        (second_away, world.owner, -1),
        (User.objects.get(username="solo"), world.operator, -1),
    ):
        begin = NOW + begins * day
        User.objects.filter(pk=absent.pk).update(delegate=delegate, delegate_from=begin, delegate_until=begin + 2 * day)
    gone = make_person("gone", "reviewer")
    User.objects.filter(pk=gone.pk).update(delegate=world.admin, delegate_from=NOW - day, delegate_until=NOW + day)
    deactivate(user=gone, by=world.admin, now=NOW)
    return requests


def test_a_batch_concerns_whom_its_events_concern_one_by_one(world: World) -> None:
    requests = made_crowd(world)
    for kind in KINDS:
        objects = [str(each.pk) for each in requests] if kind.startswith("approval.") else ["x"]
        for agent in ("job-applier", "biller", "nobody", ""):
            for team in ("talent", "billing", "dissolved", ""):
                for object_id in objects:
                    happen(kind, agent=agent, team=team, object_id=object_id)
    happen("approval.requested", object_id="00000000-0000-7000-8000-000000000000")
    told = [(entry, notice) for entry in Entry.objects.order_by("id") if (notice := notice_of(entry.kind)) is not None]
    people = list(User.objects.filter(is_active=True))
    concern = read_concern(told, now=SOON)
    found = [concern.takers(entry, notice, people) for entry, notice in told]
    # Asked of the database for each, that takes long: a sample of them, every kind among them.
    sample = range(0, len(told), 5)
    expected = {at: one_by_one(*told[at], people, now=SOON) for at in sample}
    assert {told[at][1].word for at in sample} == set(NOTICES)
    assert {at: found[at] for at in sample} == expected
    assert len({frozenset(each) for each in expected.values()}) > 8, "the crowd tells the rules apart"


def test_operators_are_those_who_operate(world: World) -> None:
    made_crowd(world)
    people = list(User.objects.all())
    expected = {
        team.slug: {user.pk for user in people if Team.objects.operated_by(user).filter(pk=team.pk).exists()}
        for team in Team.objects.all()
    }
    assert operators_of(Team.objects.all()) == expected
    assert operators_of(Team.objects.filter(slug="talent")) == {"talent": expected["talent"]}
    assert User.objects.get(username="grouped").pk in expected["talent"]


def _queries(world: World, *, entries: int, people: int) -> tuple[int, int]:
    """Return how many questions the database is asked for one batch, and how many deliveries come of it."""
    request = ApprovalRequest.objects.earliest("id")
    for number in range(people - Channel.objects.count()):
        user = make_person(f"p{Channel.objects.count()}-{number}", "operator")
        Channel.objects.create(user=user, name="x", scheme="jsons", address="x", hint="x", created_at=NOW)
        world.team.members.add(user)
    read_on(NOTICES_READER)
    before = Delivery.objects.count()
    for _ in range(entries):
        happen("approval.expired", object_id=str(request.pk))
        happen("approval.reminded", object_id=str(request.pk))
        happen("kill_switch.thrown", team="", agent="")
    seal(now=SOON, everything=True)
    with CaptureQueriesContext(connection) as asked:
        follow(NOTICES_READER, now=SOON)
    # SQLite takes few values in one statement: it has more of these for more rows.
    questions = [query["sql"] for query in asked if not query["sql"].startswith("INSERT")]
    return len(questions), Delivery.objects.count() - before


def test_a_batch_takes_as_many_queries_for_many_events_and_people(world: World) -> None:
    made_crowd(world)
    few = _queries(world, entries=5, people=3)
    many = _queries(world, entries=50, people=3)
    crowd = _queries(world, entries=50, people=20)
    assert (few[1], many[1], crowd[1]) == (30, 300, 2000)
    assert few[0] == many[0] < 30
    assert abs(crowd[0] - many[0]) <= 2
