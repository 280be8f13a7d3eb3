"""Random worlds for `tests.matrix.reading`: rows of everything, whose team is not always their agent's of today."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model

from approvals.models import ApprovalRequest, Escalation, Grant, Queue
from audit.operations import record
from controlplane.delivery.models import Channel, Delivery, Endpoint
from costs.models import Adjustment, Budget, CostRollup, ModelPrice, Usage
from policies.models import Decision, Firing, Replay, Revision, Trigger
from registry.models import Agent, AgentTransfer, KillExemption, KillSwitch, SavedView, Team, User
from registry.operations import deactivate, kill, send_command
from registry.states import Role
from runs.models import Failure, Run, Step
from tests.matrix.reading import READING, Reader
from tests.world import INSTALLATION, NOW, make_admin, make_agent, make_key, make_person, make_team, make_verbs

Rows = dict[type[Model], list[Any]]
TOKENS = dict.fromkeys(
    ("calls", "unpriced_calls", "input_uncached", "cache_read", "cache_write", "output", "reasoning", "cost_nanousd"), 1
)


def build(seed: int) -> tuple[list[Reader], Rows]:
    """Build a random world: people, teams, agents, and rows whose team is not always their agent's of today."""
    chance = random.Random(seed)
    admin = make_admin()
    people = [make_person(f"p{n}", chance.choice(Role.values)) for n in range(9)]
    teams = [make_team(f"t{n}", *chance.sample(people, chance.randint(0, 5)), by=admin) for n in range(3)]
    for user in chance.sample(people, 1):
        deactivate(user=user, by=admin, now=NOW)
    make_verbs(by=admin)
    living = list(User.objects.filter(is_active=True).exclude(pk=admin.pk))
    agents = [make_agent(f"a{n}", owner=chance.choice(living), team=chance.choice(teams), by=admin) for n in range(5)]
    revision = Revision.objects.create(number=1, document={}, digest="", author=admin, created_at=NOW)
    for number, agent in enumerate(agents):
        make_key(agent, by=admin)
        send_command(agent=agent, kind="start", by=admin, now=NOW)
        _happen(chance.choice(teams).slug, agent, number, admin, chance.sample(teams, chance.randint(0, 2)))
        _surround(chance, agent, number, teams, people)
        scoped = chance.choice([{"team": chance.choice(teams)}, {"agent": agent}, {}])
        scope = "team" if "team" in scoped else "agent" if "agent" in scoped else "organisation"
        Budget.objects.create(
            slug=f"b{number}", scope=scope, per="month", limit_nanousd=1, reserve_nanousd=0, at_limit="alert", **scoped
        )
    for scope, value in (("agent", "a0"), ("agent", "a1"), ("team", "t0"), ("tag", "hr"), ("all", "")):
        kill(scope=scope, value=value, reason="test", by=admin, now=NOW)
    _review(chance, people)
    record(kind="x", object_type="installation", object_id="1", by=INSTALLATION, now=NOW)
    assert revision.pk
    readers = [Reader(user, frozenset(user.teams.values_list("slug", flat=True))) for user in User.objects.all()]
    return readers, {model: list(model._default_manager.all()) for model in READING}


def _happen(team: str, agent: Agent, number: int, admin: User, reviewing: list[Team]) -> None:
    decision = Decision.objects.create(
        agent=agent, team=team, environment="production", idempotency_key=f"k{number}", verb="email.send",
        effect="review", policy_revision=1, at=NOW,
    )  # fmt: skip
    queue = Queue.objects.create(slug=f"q{number}")
    queue.reviewers.set(reviewing)
    held = ApprovalRequest.objects.create(
        decision=decision, agent=agent, agent_epoch=1, team=team, asked_by_key_of=admin, created_at=NOW, expires_at=NOW
    )
    held.queues.set([queue])
    Grant.objects.create(
        decision=decision, agent=agent, executor=agent, agent_epoch=1, team=team, state="issued", issued_at=NOW,
        expires_at=NOW,
    )  # fmt: skip
    ran = Run.objects.create(
        agent=agent, team=team, environment="production", event_id=f"r{number}", started_at=NOW, received_at=NOW,
        last_event_at=NOW,
    )  # fmt: skip
    Step.objects.create(run=ran, agent=agent, event_id=f"s{number}", name="x", started_at=NOW, received_at=NOW)
    Failure.objects.create(agent=agent, fingerprint=f"f{number}", first_seen=NOW, last_seen=NOW)
    sums: dict[str, Any] = {**TOKENS, "agent": agent, "team": team, "environment": "production", "model": "m"}
    CostRollup.objects.create(**sums, grain="hour", bucket_start=NOW)
    Adjustment.objects.create(**sums, bucket_start=NOW, booked_on=NOW)
    Usage.objects.create(
        agent=agent, event_id=f"u{number}", team=team, environment="production", model="m", at=NOW, hour=NOW,
        received_at=NOW,
    )  # fmt: skip


def _review(chance: random.Random, people: list[User]) -> None:
    """Seat people in queues by name, and have queues escalate to others."""
    queues = list(Queue.objects.order_by("slug"))
    for queue in queues:
        queue.people.set(chance.sample(people, chance.randint(0, 2)))
    for held in ApprovalRequest.objects.order_by("pk"):
        if chance.random() < 0.5:
            Escalation.objects.create(request=held, queue=held.queues.get(), to=chance.choice(queues), at=NOW)


def _surround(chance: random.Random, agent: Agent, number: int, teams: list[Team], people: list[User]) -> None:
    """What watches an agent and tells of it, and what people keep for themselves."""
    person, team = chance.choice(people), chance.choice(teams)
    scope: dict[str, Any] = chance.choice([{"team": team}, {"agent": agent}, {}])
    limits: dict[str, Any] = {"more_than": 1, "window_seconds": 3600, "mode": "enforce"}
    trigger = Trigger.objects.create(slug=f"t{number}", measure="denials", **scope, **limits)
    Firing.objects.create(
        trigger=trigger, subject=f"s{number}", agent=chance.choice([agent, None]), measured=2, at=NOW,
        concerns=chance.choice([team.slug, chance.choice(teams).slug, ""]), **limits,
    )  # fmt: skip
    Replay.objects.create(
        revision=Revision.objects.get(), digest="0" * 64, since=NOW - timedelta(days=1), until=NOW, asked_by=person,
        created_at=NOW, state="finished",
    )  # fmt: skip
    ModelPrice.objects.create(
        model=f"m{number}", input_nanousd=1, cache_read_nanousd=1, cache_write_nanousd=1, output_nanousd=1, reason="x",
        at=NOW,
    )  # fmt: skip
    SavedView.objects.create(user=person, page="runs.run", name=f"v{number}", created_at=NOW)
    channel = Channel.objects.create(
        user=person, name=f"c{number}", scheme="jsons", address="x", hint="x", created_at=NOW
    )
    endpoint = Endpoint.objects.create(
        name=f"e{number}", team=chance.choice([team, None]), url="https://example.com/", secret="x",
        secret_hint="x", created_at=NOW, created_by=person,
    )  # fmt: skip
    places: list[dict[str, Any]] = [
        {"means": "webhook", "endpoint": endpoint}, {"means": "callback"}, {"means": "notice", "channel": channel},
        {"means": "notice"},
    ]  # fmt: skip
    for at, place in enumerate(places):
        Delivery.objects.create(
            key=f"d{number}-{at}", event_id=UUID(int=number), kind="x", team=chance.choice([*teams, None]) or "",
            body="", due_at=NOW, created_at=NOW, begun_at=NOW, **place,
        )  # fmt: skip
    AgentTransfer.objects.create(
        agent=agent, epoch=1, owner=person, team=team, reason="x", proposed_at=NOW, proposed_by=person
    )
    switch = KillSwitch.objects.create(scope="tag", value=f"tag{number}", reason="x", thrown_at=NOW, thrown_by=person)
    KillExemption.objects.create(switch=switch, agent=agent, reason="x", let_out_at=NOW, let_out_by=person)
