"""What ingest takes and what it answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from audit.refusals import Problem
from registry.models import Agent


class ItemStatus(StrEnum):
    """What became of one item.

    ``created`` covers everything that was recorded: a new row, a legal progress of a known one,
    or details that it lacked. ``duplicate`` says that there was nothing new in it.
    """

    CREATED = "created"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who reports, and in which setting.

    Attributes:
        agent: the agent; its team is read once, so fetch it along.
        environment: of `registry.states.Environment`; runs of another one are not touched.
        version_id: primary key of the version that runs there.
        may_backfill: whether what ended more than 30 days ago is admitted.
    """

    agent: Agent
    environment: str
    version_id: int | None = None
    may_backfill: bool = False


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    Attributes:
        index: place of the item in the batch; for imports, of the execution.
        status: of `ItemStatus`.
        id: our id of the run or step, unless invalid.
        errors: why it is invalid, with pointers into the item.
    """

    index: int
    status: str
    id: UUID | None = None
    errors: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedUsage:
    """Tokens of one model call, told once: when its step has ended and first carries usage.

    Attributes:
        team: slug of the run's team at that time.
        task: the run's task, or empty.
        input_uncached, cache_read, cache_write, output: disjoint buckets of tokens.
        reasoning: part of `output`.
        at: end of the call, aware UTC.
        event_id: the step's event id, unique per agent.
        action_id: the decision that the step carries out.
    """

    run_id: UUID
    step_id: UUID
    agent_id: int
    team: str
    environment: str
    version_id: int | None
    task: str
    provider: str
    model: str
    input_uncached: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    response_id: str
    at: datetime
    event_id: str
    action_id: UUID | None


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of a batch.

    Attributes:
        results: one per item, in the items' order.
        usages: what `costs` has to price, in the same transaction.
    """

    results: tuple[ItemResult, ...] = ()
    usages: tuple[ReportedUsage, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many items became what; every status is named."""
        counted = Counter(result.status for result in self.results)
        return {status.value: counted[status.value] for status in ItemStatus}
