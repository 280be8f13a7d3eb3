"""Small worlds for tests, built by production's road: people, teams, verbs, an agent and its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from django.test import override_settings

from audit.actors import System
from registry.authentication import Principal, authenticate
from registry.models import Agent, AgentKey, Team, User
from registry.operations import create_user, issue_key, save_agent, save_team, save_verb
from registry.states import Environment, Role

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
INSTALLATION = System("tests")

Made = TypeVar("Made")

VERBS: dict[str, dict[str, Any]] = {
    "form.submit": {"capability": "write", "destination": {"at": "/url"}},
    "email.send": {
        "capability": "notify",
        "destination": {"at": "/to/*", "as": "email"},
        "units": "count",
        "data_classes": ["pii"],
    },
    "payment.transfer": {
        "capability": "execute",
        "destination": {"at": "/account", "as": "account"},
        "amount": {"at": "/amount"},
    },
    "report.read": {"capability": "read"},
}


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own hasher with one round, so that people cost nothing; production's settings check it."""

    iterations = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What `make_world` built.

    Attributes:
        admin: administrator.
        operator: operator of `team`.
        owner: owner of `agent`, member and lead of `team`.
        reviewer: reviewer, member of `team`.
        second: another reviewer, member of `team`.
        auditor: auditor, member of no team.
        stranger: operator of `other`, who sees nothing of `team`.
        team: the team ``talent``.
        other: the team ``billing``.
        agent: ``job-applier``, of `team`, active, version 1 live in both environments.
        key: its production key, with all scopes.
        text: that key's text.
    """

    admin: User
    operator: User
    owner: User
    reviewer: User
    second: User
    auditor: User
    stranger: User
    team: Team
    other: Team
    agent: Agent
    key: AgentKey
    text: str

    @property
    def principal(self) -> Principal:
        """Whoever presents the key now."""
        principal = authenticate(self.text, now=NOW)
        assert principal is not None
        return principal


def make_person(username: str, role: str, *, now: datetime = NOW) -> User:
    """Create a person whose password is `PASSWORD`."""
    with override_settings(PASSWORD_HASHERS=[f"{__name__}.QuickHasher"]):
        return create_user(username=username, role=role, password=PASSWORD, by=INSTALLATION, now=now)


def make_admin(username: str = "admin", *, now: datetime = NOW) -> User:
    """Create an administrator."""
    return make_person(username, Role.ADMIN, now=now)


def make_team(slug: str, *members: User, lead: User | None = None, by: User, now: datetime = NOW) -> Team:
    """Create a team."""
    save_team(slug=slug, name=slug.title(), lead=lead, members=members, by=by, now=now)
    return Team.objects.get(slug=slug)


def make_agent(slug: str, *, owner: User, team: Team, by: User, now: datetime = NOW, **facts: Any) -> Agent:
    """Register an agent that may read, write and notify, unless `facts` say otherwise."""
    facts = {"capabilities": ["read", "write", "notify"], "data_scopes": ["candidates"], "tags": ["hr"], **facts}
    name = facts.pop("name", slug.replace("-", " ").capitalize())
    agent, _ = save_agent(slug=slug, name=name, owner=owner, team=team, by=by, now=now, **facts)
    return agent


def make_key(
    agent: Agent,
    *,
    by: User,
    environment: str = Environment.PRODUCTION,
    scopes: tuple[str, ...] = ("act", "ingest", "llm", "memory", "handoff", "read:self"),
    now: datetime = NOW,
) -> tuple[AgentKey, str]:
    """Issue a key; return its row and its text."""
    return issue_key(agent=agent, environment=environment, scopes=scopes, by=by, now=now)


def make_verbs(*, by: User, now: datetime = NOW) -> None:
    """Put the example's verbs into the catalogue."""
    for name, spec in VERBS.items():
        save_verb(name=name, spec=spec, by=by, now=now)


def make_world(*, now: datetime = NOW) -> World:
    """Build two teams, a person of every role, the example's verbs, and an agent with a key."""
    admin = make_admin(now=now)
    operator = make_person("talent-operator", Role.OPERATOR, now=now)
    owner = make_person("talent-lead", Role.OWNER, now=now)
    reviewer = make_person("talent-reviewer", Role.REVIEWER, now=now)
    second = make_person("second-reviewer", Role.REVIEWER, now=now)
    auditor = make_person("auditor", Role.AUDITOR, now=now)
    stranger = make_person("billing-operator", Role.OPERATOR, now=now)
    team = make_team("talent", operator, owner, reviewer, second, lead=owner, by=admin, now=now)
    other = make_team("billing", stranger, by=admin, now=now)
    make_verbs(by=admin, now=now)
    agent = make_agent("job-applier", owner=owner, team=team, by=admin, now=now, name="Job application agent")
    key, text = make_key(agent, by=operator, now=now)
    return World(
        admin=admin, operator=operator, owner=owner, reviewer=reviewer, second=second, auditor=auditor,
        stranger=stranger, team=team, other=other, agent=agent, key=key, text=text,
    )  # fmt: skip


@contextmanager
def built_once(make: Callable[[], Made], blocker: Any) -> Iterator[Made]:
    """Build something in a transaction that stays open below those of a module's tests, then take it back.

    Hand each test a ``copy.deepcopy`` of it, and use no second such thing, and no real
    transactions, in the same module.

    Args:
        make: what builds it.
        blocker: the fixture ``django_db_blocker``.
    """
    with ExitStack() as stack:
        with blocker.unblock():
            stack.enter_context(transaction.atomic())
            made = make()
        yield made
        with blocker.unblock():
            transaction.set_rollback(True)
            stack.close()
