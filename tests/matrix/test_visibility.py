"""Each `visible_to` against a plain reading of section 12, over random worlds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db.models import Model, QuerySet

from approvals.models import ApprovalRequest, Grant, Queue
from audit.models import Entry
from audit.operations import record
from controlplane.api import urls
from controlplane.api.people import DetailView, ListView
from controlplane.console.map import PAGES
from costs.models import Budget, Usage
from policies.models import Decision, Revision
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, Team, TeamUserRight, User, Verb
from registry.operations import deactivate, kill, send_command
from registry.states import Role
from runs.models import Failure, Run, Step
from tests.world import INSTALLATION, NOW, make_admin, make_agent, make_key, make_person, make_team, make_verbs

Rows = dict[type[Model], list[Any]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A person as section 12 speaks of them."""

    user: User
    teams: frozenset[str]

    def everything(self) -> bool:
        return self.user.is_active and self.user.role in {"admin", "auditor"}

    def operates(self, team: str) -> bool:
        return self.user.is_active and (
            self.user.role == "admin" or (self.user.role == "operator" and team in self.teams)
        )

    def of(self, team: str, owner_id: int) -> bool:
        """Rows keep the team of their time; the owner is the agent's of today."""
        return self.everything() or self.operates(team) or (self.user.is_active and owner_id == self.user.pk)

    def member(self, team: str) -> bool:
        return self.user.is_active and team in self.teams


def of_agent(reader: Reader, row: Any) -> bool:
    return reader.of(row.agent.team.slug, row.agent.owner_id)


def then(reader: Reader, row: Any) -> bool:
    return reader.of(row.team, row.agent.owner_id)


def _budget(reader: Reader, row: Budget) -> bool:
    if row.agent:
        return reader.of(row.agent.team.slug, row.agent.owner_id)
    return reader.everything() or (row.team is not None and reader.operates(row.team.slug))


def _held(reader: Reader, row: ApprovalRequest) -> bool:
    mine = any(reader.member(team.slug) for queue in row.queues.all() for team in queue.reviewers.all())
    return then(reader, row) or mine


def _queue(reader: Reader, row: Queue) -> bool:
    return reader.everything() or any(reader.member(team.slug) for team in row.reviewers.all())


def _switch(reader: Reader, row: KillSwitch) -> bool:
    if reader.everything():
        return True
    agent = Agent.objects.filter(slug=row.value).first() if row.scope == "agent" else None
    owned = agent is not None and agent.owner_id == reader.user.pk
    common = row.scope in {"tag", "all"}
    return reader.user.is_active and (common or owned or (row.team is not None and reader.member(row.team.slug)))


def _entry(reader: Reader, row: Entry) -> bool:
    owned = bool(row.agent) and Agent.objects.filter(slug=row.agent, owner=reader.user).exists()
    return reader.everything() or reader.operates(row.team) or (reader.user.is_active and owned)


READING: dict[type[Model], Callable[[Reader, Any], bool]] = {
    Agent: lambda reader, row: reader.of(row.team.slug, row.owner_id),
    AgentVersion: of_agent, Release: of_agent, AgentKey: of_agent, Command: of_agent, Failure: of_agent,
    Decision: then, Run: then, Usage: then, Grant: then,
    Step: lambda reader, row: then(reader, row.run),
    Budget: _budget, ApprovalRequest: _held, Queue: _queue, KillSwitch: _switch, Entry: _entry,
    Team: lambda reader, row: reader.everything() or reader.member(row.slug),
    Revision: lambda reader, row: reader.user.is_active and reader.user.role != "reviewer",
    Verb: lambda reader, row: reader.user.is_active,
    User: lambda reader, row: reader.user.is_active and (reader.user.role == "admin" or row.pk == reader.user.pk),
}  # fmt: skip


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
        _happen(chance.choice(teams).slug, agent, number, admin, chance.sample(teams, chance.randint(1, 2)))
        scoped = chance.choice([{"team": chance.choice(teams)}, {"agent": agent}, {}])
        scope = "team" if "team" in scoped else "agent" if "agent" in scoped else "organisation"
        Budget.objects.create(
            slug=f"b{number}", scope=scope, per="month", limit_nanousd=1, reserve_nanousd=0, at_limit="alert", **scoped
        )
    for scope, value in (("agent", "a0"), ("agent", "a1"), ("team", "t0"), ("tag", "hr"), ("all", "")):
        kill(scope=scope, value=value, reason="test", by=admin, now=NOW)
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
    Usage.objects.create(
        agent=agent, event_id=f"u{number}", team=team, environment="production", model="m", at=NOW, hour=NOW,
        received_at=NOW,
    )  # fmt: skip


def differences(readers: list[Reader], rows: Rows, see: Callable[[type[Model], User], QuerySet[Any]]) -> list[str]:
    """Return where a queryset and section 12 disagree, in words."""
    found = []
    for model, all_of_it in rows.items():
        for reader in readers:
            expected = {row.pk for row in all_of_it if READING[model](reader, row)}
            shown = [row.pk for row in see(model, reader.user)]
            if set(shown) != expected or len(shown) != len(set(shown)):
                found.append(f"{model.__name__} for {reader.user.role}: {shown} instead of {sorted(expected, key=str)}")
    return found


def by_query_set(model: type[Model], user: User) -> QuerySet[Any]:
    """Ask the model's own QuerySet."""
    manager: Any = model._default_manager
    rows: QuerySet[Any] = manager.visible_to(user)
    return rows


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(12))
def test_query_sets_read_section_12_as_it_stands(seed: int) -> None:
    readers, rows = build(seed)
    assert all(rows.values())
    assert differences(readers, rows, by_query_set) == []


@pytest.mark.slow
@pytest.mark.django_db
def test_a_permissive_default_is_caught() -> None:
    """The naive twin: one QuerySet whose `visible_to` returns everything."""
    readers, rows = build(0)
    for permissive in (Grant, Entry, AgentVersion):

        def see(model: type[Model], user: User, open_to_all: type[Model] = permissive) -> QuerySet[Any]:
            return model._default_manager.all() if model is open_to_all else by_query_set(model, user)

        found = differences(readers, rows, see)
        assert found, permissive
        assert all(line.startswith(permissive.__name__) for line in found)


def served() -> set[type[Model]]:
    """Return every model that the console has pages of, or the API serves rows of."""
    views = [getattr(pattern.callback, "cls", None) for pattern in urls.urlpatterns]
    rows = [view.queryset.model for view in views if view and issubclass(view, ListView | DetailView)]
    return {*PAGES, *rows}


def test_every_shown_model_says_who_sees_it() -> None:
    without = [model.__name__ for model in served() if not hasattr(model._default_manager.all(), "visible_to")]
    assert without == [], "give their QuerySets a visible_to(user), and READING above its plain reading"


@pytest.mark.django_db
def test_rights_die_with_their_team() -> None:
    admin, operator = make_admin(), make_person("op", Role.OPERATOR)
    team = make_team("gone", operator, by=admin)
    assert TeamUserRight.objects.filter(content_object=team).exists()
    team.members.clear()
    team.delete()
    assert not TeamUserRight.objects.exists()
    # Another team of the same number would inherit what was left behind.
    again = Team.objects.create(pk=team.pk, slug="gone", name="Gone")
    assert not Team.objects.operated_by(operator).filter(pk=again.pk).exists()


@pytest.mark.slow
@pytest.mark.django_db
def test_visible_rows_follow_the_people_of_the_moment() -> None:
    admin, operator = make_admin(), make_person("op", Role.OPERATOR)
    team = make_team("talent", operator, by=admin)
    agent = make_agent("a", owner=admin, team=team, by=admin)
    assert agent in Agent.objects.visible_to(operator)
    make_team("talent", by=admin)
    assert agent not in Agent.objects.visible_to(operator)
