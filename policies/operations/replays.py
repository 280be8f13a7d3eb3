"""Replays: asked for, worked off slice by slice, cancelled.

A slice reads from where the last one stopped, and its outcome is kept by one UPDATE that only
succeeds if nobody kept another one since. So two workers at once, or one that is killed, change
nothing: what was kept stands, and what was not is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from audit import sql
from audit.actors import OnBehalf
from audit.refusals import Conflict, Stale, invalid
from audit.transitions import move, note
from policies import permissions, snapshots
from policies.compile import Snapshot, compile_set
from policies.language import parse
from policies.models import MOST_TRIES, Admission, Distinct, Replay, Revision
from policies.replaying.facts import Recorded
from policies.replaying.judging import Known, judge_again
from policies.replaying.recorded import Period, Reach, chunk, count
from policies.replaying.summing import Memory, Sums, pack, unpack
from policies.replaying.windows import Windows
from policies.states import ReplayState, RevisionState
from registry.models import Agent, Catalogue, Team, User

MOST_AT_ONCE: Final = 3
LONGEST: Final = timedelta(days=400)
# What ids can say; windows before a replay's period are read as well.
_FIRST: Final = datetime(1970, 1, 2, tzinfo=UTC)
SLICE: Final = timedelta(seconds=1.5)
ROWS: Final = 500
_TASK: Final = "replay"
_SUMMARY: Final = ("newly_blocked", "newly_allowed", "newly_held")

logger = structlog.get_logger(__name__)


class TooManyReplays(Conflict):
    """The person has several replays under way."""

    code, title = "too_many_replays", "Too many replays at once"


@dataclass(frozen=True, slots=True)
class Measures:
    """What the apps above know; money in nano-USD.

    Attributes:
        costs: of decisions, what their model calls cost, where there were any.
        reserve: of an agent (its key), what its budget sets aside for an action; None without a budget.
        reviewing: of queues with the number of actions, what reviewing them takes, as JSON.
    """

    costs: Callable[[Sequence[UUID]], Mapping[UUID, int]]
    reserve: Callable[[int], int | None]
    reviewing: Callable[[Sequence[Sequence[Any]]], dict[str, Any]]


@transaction.atomic
def start_replay(*, revision: Revision, since: datetime, until: datetime, by: User, now: datetime) -> Replay:
    """Ask for the recorded decisions of a period to be judged again.

    Args:
        revision: by which; usually a draft. It is bound to what the revision says now.
        since: the first moment, aware UTC.
        until: the first moment after it.
        by: whoever may draft; their own reach says which decisions are judged.
        now: aware UTC.

    Raises:
        Forbidden: reviewers and auditors draft nothing.
        Invalid: the period is empty, too long, or not over.
        Conflict: the revision was discarded.
        TooManyReplays: so many of theirs are under way.
    """
    permissions.may_draft(by)
    if since >= until:
        raise invalid("/until", "empty_period", "The period must end after it begins.")
    if since < _FIRST:
        raise invalid("/since", "too_early", "Nothing was decided before 1970-01-02.")
    if until > now:
        raise invalid("/until", "not_over", "The period must be over.")
    if until - since > LONGEST:
        raise invalid("/since", "too_long", f"A replay covers at most {LONGEST.days} days.")
    if revision.state == RevisionState.DISCARDED:
        raise Conflict(f"r{revision.number} was discarded.")
    # Of several asked for at once, each sees those before it.
    sql.advisory_lock(f"policies.replays.{by.pk}")
    if Replay.objects.unfinished().filter(asked_by=by).count() >= MOST_AT_ONCE:
        raise TooManyReplays(f"{MOST_AT_ONCE} of your replays are under way; wait for one, or cancel it.")
    replay = Replay.objects.create(
        revision=revision, digest=revision.digest, since=since, until=until, asked_by=by, created_at=now
    )
    details = {"revision": revision.number, "since": since.isoformat(), "until": until.isoformat()}
    note(replay, kind="replay.queued", by=by, now=now, after=revision.digest, details=details)
    return replay


@transaction.atomic
def cancel_replay(*, replay: Replay, by: User, now: datetime) -> None:
    """Stop a replay: its asker, or an administrator. What it found so far stays readable.

    Raises:
        Forbidden: somebody else's.
        IllegalTransition: it is over.
        Stale: it ended at this moment.
    """
    permissions.may_cancel_replay(by, replay)
    move(replay, ReplayState.CANCELLED, by=by, now=now, fields={"ended_at": now, "memory": b""})


def advance(
    *, replay_id: UUID, measures: Measures, clock: Callable[[], datetime], slice_of: timedelta = SLICE, rows: int = ROWS
) -> bool:
    """Work off one slice.

    Args:
        replay_id: which.
        measures: what the apps above know.
        clock: the present time, aware UTC; read between chunks.
        slice_of: how long to work before the outcome is kept.
        rows: decisions read at a time.

    Returns:
        Whether there is more to do.

    Raises:
        django.db.DatabaseError: nothing was kept; the next slice begins where this one did.
    """
    replay = Replay.objects.select_related("revision", "asked_by").filter(pk=replay_id).first()
    if replay is None or replay.is_over:
        return False
    if replay.revision.digest != replay.digest:
        _end(replay, ReplayState.FAILED, "The draft was changed after the replay was asked for.", now=clock())
        return False
    if not _begin(replay, now=clock()):
        return False
    try:
        work = _work(replay, measures, clock, slice_of, rows)
        return _keep(replay, work, measures, now=clock())
    except DatabaseError:
        raise
    except Stale:
        return False
    except Exception as error:
        logger.exception("replay_failed", replay=str(replay_id))
        _end(replay, ReplayState.FAILED, f"It met an error that was not expected: {type(error).__name__}.", now=clock())
        return False


def _begin(replay: Replay, *, now: datetime) -> bool:
    """Count a try before it can take its worker with it; say whether the slice may be worked off."""
    if replay.is_worn_out(now):
        detail = f"One slice of it was begun {replay.tries} times, and no worker came to its end."
        _end(replay, ReplayState.FAILED, f"{detail} Try a shorter period.", now=now)
        return False
    # One UPDATE that stands at once, and only if nobody began or kept a slice since the replay was read.
    same = Replay.objects.filter(pk=replay.pk, state=replay.state, done=replay.done, tries=replay.tries)
    return replay.tries < MOST_TRIES and same.update(tries=replay.tries + 1, tried_at=now) == 1


@dataclass(slots=True)
class _Work:
    """A slice that is done and not kept yet."""

    total: int
    done: int
    cursor: UUID | None
    sums: Sums
    windows: Windows
    ended: bool = False


def _work(replay: Replay, measures: Measures, clock: Callable[[], datetime], slice_of: timedelta, rows: int) -> _Work:
    snapshot = _snapshot(replay.revision)
    period, reach = Period(replay.since, replay.until), reach_of(replay.asked_by)
    memory = unpack(bytes(replay.memory))
    windows = Windows(memory.windows, last=memory.last)
    if replay.total is None:
        _take_over(windows, replay)
    total = count(period, reach) if replay.total is None else replay.total
    work = _Work(total, replay.done, replay.cursor, memory.sums, windows)
    agents = _agents()
    ends = clock() + slice_of
    while not work.ended:
        found = chunk(period, reach, after=work.cursor, most=rows)
        changed = []
        for recorded in found:
            again = judge_again(snapshot, agents, windows, recorded)
            known = agents.get(recorded.agent_id)
            if work.sums.add(recorded, again, agent=known.slug if known else str(recorded.agent_id)):
                changed.append((recorded, again.kind))
        _price(work.sums, changed, measures)
        work.done += len(found)
        work.cursor = found[-1].id if found else work.cursor
        work.ended = len(found) < rows
        if clock() >= ends:
            break
    return work


def _price(sums: Sums, changed: Sequence[tuple[Recorded, str]], measures: Measures) -> None:
    """Add the money of the actions that came out otherwise."""
    costs = measures.costs([recorded.id for recorded, _ in changed]) if changed else {}
    for recorded, kind in changed:
        estimate = recorded.estimate if recorded.estimate is not None else measures.reserve(recorded.agent_id)
        getattr(sums, kind).spend.add(costs.get(recorded.id), estimate)


@transaction.atomic
def _keep(replay: Replay, work: _Work, measures: Measures, *, now: datetime) -> bool:
    """Keep a slice, if nobody kept another one since this one began.

    Raises:
        Stale: somebody did, or cancelled it.
    """
    by = OnBehalf(_TASK, replay.asked_by.username)
    began_at = replay.done
    if replay.state == ReplayState.QUEUED:
        move(replay, ReplayState.RUNNING, by=by, now=now, fields={"started_at": now})
    result = work.sums.told()
    same = Replay.objects.filter(pk=replay.pk, state=ReplayState.RUNNING, done=began_at, cursor=replay.cursor)
    kept = same.update(
        total=work.total,
        done=work.done,
        cursor=work.cursor,
        tries=0,
        seen_at=now,
        result=result,
        memory=b"" if work.ended else pack(Memory(work.sums, work.windows.keep(), work.windows.last)),
    )
    if kept != 1:
        raise Stale(f"Replay {replay.pk} was continued by somebody else.")
    if work.ended:
        result["reviewing"] = measures.reviewing(result["held_in"])
        counts = {kind: result[kind]["count"] for kind in _SUMMARY}
        details = {"revision": replay.revision.number, "decisions": work.done, **counts}
        fields = {"result": result, "ended_at": now}
        move(replay, ReplayState.FINISHED, by=by, now=now, details=details, fields=fields)
    return not work.ended


@transaction.atomic
def _end(replay: Replay, state: str, detail: str, *, now: datetime) -> None:
    by = OnBehalf(_TASK, replay.asked_by.username)
    fields = {"detail": detail, "ended_at": now, "memory": b""}
    # The row may have moved on since it was read: a slice of somebody else's, or a cancellation.
    replay.refresh_from_db(fields=("state",))
    if not replay.is_over:
        move(replay, state, by=by, now=now, details={"detail": detail}, fields=fields)


def reach_of(user: User) -> Reach:
    """Return whose decisions a person's replay judges: what they may see, as lists of it show it."""
    if user.sees_everything:
        return Reach()
    if not user.is_active:
        return Reach(teams=())
    teams = Team.objects.operated_by(user).values_list("slug", flat=True)
    return Reach(tuple(teams), tuple(Agent.objects.filter(owner=user).values_list("pk", flat=True)))


@dataclass(frozen=True, slots=True)
class _Compiled:
    digest: str
    catalogue: int
    snapshot: Snapshot


class _Last:
    """The revision that this process replayed last; slices come one after the other."""

    held: _Compiled | None = None


def _snapshot(revision: Revision) -> Snapshot:
    catalogue = Catalogue.objects.values_list("revision", flat=True).first() or 0
    held = _Last.held
    if held is None or held.digest != revision.digest or held.catalogue != catalogue:
        compiled = compile_set(parse(revision.document), snapshots.verbs_in_force(), None)
        held = _Last.held = _Compiled(revision.digest, catalogue, compiled)
    return held.snapshot


def _agents() -> dict[int, Known]:
    rows = Agent.objects.values_list("pk", "slug", "team__slug", "tags", "data_scopes")
    return {pk: Known(slug, team, frozenset(tags), frozenset(scopes)) for pk, slug, team, tags, scopes in rows}


def _take_over(windows: Windows, replay: Replay) -> None:
    """Begin with what the revision's own limits and split guards had admitted before the period."""
    lengths = {
        f"{policy.slug}/{rule.name}": bound.seconds
        for policy in parse(replay.revision.document).policies.values()
        for rule in policy.rules
        if (bound := rule.limit or rule.split) is not None
    }
    if not lengths:
        return
    earliest = replay.since - timedelta(seconds=max(lengths.values()))
    before = {"at__gt": earliest, "at__lt": replay.since}
    admitted = Admission.objects.filter(**before).order_by("at").values_list("key", "at", "units")
    for key, at, units in admitted.iterator(chunk_size=2_000):
        seconds = lengths.get(_rule_of(key))
        if seconds is not None:
            windows.admit(key, at=at, units=units, window_seconds=seconds)
    # A value that was met again since does not tell when it was met before: it counts as not met.
    met = Distinct.objects.filter(**before).order_by("at").values_list("key", "value", "at")
    for key, value, at in met.iterator(chunk_size=2_000):
        seconds = lengths.get(_rule_of(key))
        if seconds is not None:
            windows.meet(key, value, at=at, window_seconds=seconds)


def _rule_of(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])
