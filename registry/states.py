"""States of the registry's objects and how one may follow another."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class Role(TextChoices):
    """What a person is in the organisation; rights in detail: `registry.permissions`."""

    ADMIN = "admin", "Administrator"
    OPERATOR = "operator", "Operator"
    OWNER = "owner", "Agent owner"
    REVIEWER = "reviewer", "Reviewer"
    AUDITOR = "auditor", "Auditor"


class Capability(TextChoices):
    """What kind of effect an action has."""

    READ = "read", "Read"
    WRITE = "write", "Write"
    NOTIFY = "notify", "Notify"
    EXECUTE = "execute", "Execute"


class Environment(TextChoices):
    """Where a version is released."""

    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class Enforcement(TextChoices):
    """Whether the agent could act without asking."""

    ADVISORY = "advisory", "Advisory: holds credentials of its own"
    ENFORCED = "enforced", "Enforced: can act only through our gateways"


class AgentState(TextChoices):
    """Life of an agent."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    RETIRED = "retired", "Retired"


class VersionState(TextChoices):
    """Life of a version."""

    DRAFT = "draft", "Draft"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"
    ARCHIVED = "archived", "Archived"
    DISCARDED = "discarded", "Discarded"


class ReleaseState(TextChoices):
    """Life of a release."""

    LIVE = "live", "Live"
    ENDED = "ended", "Ended"


class KeyState(TextChoices):
    """Life of an agent's key; expiry is compared at use."""

    LIVE = "live", "Live"
    REVOKED = "revoked", "Revoked"


class KeyScope(TextChoices):
    """What a key may call."""

    ACT = "act", "Ask, redeem, report outcomes"
    INGEST = "ingest", "Report runs, steps, usage"
    LLM = "llm", "Call models through the proxy"
    MEMORY = "memory", "Read and write memory"
    HANDOFF = "handoff", "Hand work to other agents"
    READ_SELF = "read:self", "Read its own registration"


class CommandKind(TextChoices):
    """What an agent can be told."""

    START = "start", "Start"
    STOP = "stop", "Stop"
    DISPATCH = "dispatch", "Dispatch a task"


class CommandState(TextChoices):
    """Life of a command: requested here, reported by the agent."""

    REQUESTED = "requested", "Requested"
    DELIVERED = "delivered", "Delivered"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Not acknowledged in time"


class KillState(TextChoices):
    """Life of a kill switch."""

    IN_FORCE = "in_force", "In force"
    LIFTED = "lifted", "Lifted"


class KillScope(TextChoices):
    """Whom a kill switch stops."""

    AGENT = "agent", "One agent"
    TEAM = "team", "A team's agents"
    TAG = "tag", "Agents with a tag"
    ALL = "all", "Every agent"


class TransferState(TextChoices):
    """Life of a proposal to hand an agent over."""

    PROPOSED = "proposed", "Proposed"
    ACCEPTED = "accepted", "Accepted"
    DECLINED = "declined", "Declined"


Table = Mapping[str, frozenset[str]]

AGENT: Table = {
    AgentState.ACTIVE: frozenset({AgentState.PAUSED, AgentState.RETIRED}),
    AgentState.PAUSED: frozenset({AgentState.ACTIVE, AgentState.RETIRED}),
    AgentState.RETIRED: frozenset(),
}

VERSION: Table = {
    VersionState.DRAFT: frozenset(
        {VersionState.STAGING, VersionState.PRODUCTION, VersionState.ARCHIVED, VersionState.DISCARDED}
    ),
    VersionState.STAGING: frozenset({VersionState.PRODUCTION, VersionState.ARCHIVED}),
    VersionState.PRODUCTION: frozenset({VersionState.STAGING, VersionState.ARCHIVED}),
    # A rollback brings an archived version back.
    VersionState.ARCHIVED: frozenset({VersionState.STAGING, VersionState.PRODUCTION}),
    # Never released: nothing leads back to it.
    VersionState.DISCARDED: frozenset(),
}

RELEASE: Table = {ReleaseState.LIVE: frozenset({ReleaseState.ENDED}), ReleaseState.ENDED: frozenset()}

KEY: Table = {KeyState.LIVE: frozenset({KeyState.REVOKED}), KeyState.REVOKED: frozenset()}

COMMAND: Table = {
    CommandState.REQUESTED: frozenset(
        {CommandState.DELIVERED, CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED}
    ),
    CommandState.DELIVERED: frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED}),
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED: frozenset(),
    CommandState.EXPIRED: frozenset(),
}

KILL: Table = {KillState.IN_FORCE: frozenset({KillState.LIFTED}), KillState.LIFTED: frozenset()}

TRANSFER: Table = {
    TransferState.PROPOSED: frozenset({TransferState.ACCEPTED, TransferState.DECLINED}),
    TransferState.ACCEPTED: frozenset(),
    TransferState.DECLINED: frozenset(),
}
