"""Revisions of the policy set: drafted, published, rolled back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from audit import sql
from audit.canonical import digest
from audit.refusals import Conflict, IllegalTransition, Invalid, Missing, PreconditionFailed, Problem, invalid
from audit.transitions import move, note
from policies import permissions, snapshots
from policies.compile import compile_set
from policies.dry_runs import require_conditions
from policies.facts import Subject
from policies.language import PolicySet, dump, parse
from policies.models import Replay, Revision
from policies.rehearsal import rehearse
from policies.states import RevisionState
from registry.models import Agent, User


class TestsFail(Invalid):
    """The policies' own test cases do not come out as they expect: nothing is published."""

    code, title = "policy_tests_fail", "The policies' own tests fail"


class BaseMoved(PreconditionFailed):
    """Another revision was published since the draft was written: publishing it would undo that one unread."""

    code, title = "base_moved", "Another revision is in force than the one the draft was written over"


class DraftChanged(PreconditionFailed):
    """Somebody saved the draft since it was read."""

    code, title = "draft_changed", "The draft was changed in the meantime"


class NothingToPublish(Conflict):
    """The revision is not a draft, or says what is in force already."""

    code, title = "nothing_to_publish", "There is nothing to publish"


def published_policies() -> dict[str, Any]:
    """Return the policies in force, by slug, in the form that ``apply`` reads."""
    revision = snapshots.published()
    return dict(revision.document) if revision else {}


def normal_form(document: Mapping[str, object]) -> dict[str, Any]:
    """Return a policy document in its one normal form; its conditions have been tried on made-up actions.

    Raises:
        DocumentInvalid: with a pointer to each defect.
    """
    policies = parse(document)
    require_conditions(policies)
    return dict(dump(policies))


@transaction.atomic
def save_draft(*, policies: Mapping[str, object], by: User, now: datetime, reason: str = "") -> Revision:
    """Keep a whole policy set as a draft.

    Args:
        policies: by slug; replaces the set, nothing is merged.
        by: whoever may draft: administrators, operators, owners.
        now: aware UTC.
        reason: why, for the reader.

    Raises:
        DocumentInvalid: with a pointer to each defect.
        Forbidden: reviewers and auditors draft nothing.
    """
    permissions.may_draft(by)
    revision = _create(normal_form(policies), by=by, now=now, reason=reason)
    note(revision, kind="policy_revision.drafted", by=by, now=now, after=revision.digest)
    return revision


@transaction.atomic
def revise_draft(
    *, revision: Revision, seen: str, policies: Mapping[str, object], by: User, now: datetime, reason: str = ""
) -> Revision:
    """Write a draft anew, over what is in force now.

    Args:
        revision: a draft.
        seen: digest of the draft as it was read (``If-Match``).
        policies: by slug; the whole set.
        by: its author or an administrator.
        now: aware UTC.
        reason: why, for the reader; empty keeps the one it has.

    Returns:
        The draft as it stands.

    Raises:
        Forbidden: somebody else's draft.
        DocumentInvalid: with a pointer to each defect.
        IllegalTransition: it is no draft any more.
        DraftChanged: somebody saved it since it was read.
    """
    permissions.may_edit_draft(by, revision)
    if revision.state != RevisionState.DRAFT:
        raise IllegalTransition(f"r{revision.number} is {revision.state}; only a draft is edited.")
    document = normal_form(policies)
    wanted = digest("acp.policies.v1", document)
    live = snapshots.published()
    fields = {
        "document": document,
        "digest": wanted,
        "base": live.number if live else 0,
        "reason": reason or revision.reason,
    }
    # One guarded UPDATE, as `move()` does it: of two who saved the same reading, one learns of the other.
    same = Revision.objects.filter(pk=revision.pk, state=RevisionState.DRAFT, digest=seen)
    if same.update(**fields) != 1:
        raise DraftChanged(f"r{revision.number} was saved by somebody else since you read it.")
    before = revision.digest
    for name, value in fields.items():
        setattr(revision, name, value)
    details = {"base": revision.base, "reason": revision.reason}
    note(revision, kind="policy_revision.redrafted", by=by, now=now, before=before, after=wanted, details=details)
    return revision


@transaction.atomic
def discard(*, revision: Revision, by: User, now: datetime) -> None:
    """Give up a draft: its author or an administrator.

    Raises:
        Forbidden, IllegalTransition, Stale.
    """
    permissions.may_discard(by, revision)
    move(revision, RevisionState.DISCARDED, by=by, now=now)


@transaction.atomic
def publish(
    *,
    revision: Revision,
    queues: Collection[str],
    by: User,
    now: datetime,
    reason: str = "",
    seen: str | None = None,
    replays: Sequence[UUID] = (),
) -> Revision:
    """Put a draft in force: from the next request on, in every process.

    Args:
        revision: a draft.
        queues: slugs of the queues that exist; rules may name only these.
        by: a person with the right to publish over every agent that a changed policy matches.
        now: aware UTC.
        reason: why; kept with the revision.
        seen: digest of the draft as it was read (``If-Match``); None: whatever it says now.
        replays: finished replays of exactly this text that the person has read; kept with the revision.

    Raises:
        Invalid: one of the replays is none of theirs, not finished, or of another text.
        DraftChanged: somebody saved the draft since it was read.
        BaseMoved: another revision was published since the draft was written.
        Forbidden: a matched agent is out of reach.
        DocumentInvalid: a rule names an unknown queue.
        TestsFail: the set's own tests fail.
        IllegalTransition, Stale: it is no draft any more.
    """
    # One publication at a time: the second sees what the first one left.
    sql.advisory_lock("policies.publish")
    old = snapshots.published()
    # What was read before the lock may have been written anew since.
    revision.refresh_from_db()
    if seen is not None and revision.digest != seen:
        raise DraftChanged(f"r{revision.number} was saved by somebody else since you read it.")
    require_base(revision, old)
    read = _replays_read(revision, replays, by)
    wanted = parse(revision.document)
    before = parse(old.document) if old else PolicySet({})
    permissions.may_publish_change(by, before, wanted)
    snapshot = compile_set(wanted, snapshots.verbs_in_force(), frozenset(queues))
    failures, count = rehearse(wanted, snapshot, known_subjects())
    if failures:
        raise TestsFail(
            errors=[
                Problem(
                    f"/{failure.policy}/tests/{failure.index}",
                    "test_failed",
                    f"Expected {failure.expected}, got {failure.got}: "
                    + " ".join(item.text for item in failure.reasons),
                )
                for failure in failures
            ]
        )
    if old is not None:
        move(old, RevisionState.SUPERSEDED, by=by, now=now)
    move(
        revision,
        RevisionState.PUBLISHED,
        by=by,
        now=now,
        fields={
            "published_at": now,
            "published_by": by,
            "tests_run": count,
            "replays": read,
            "reason": reason or revision.reason,
        },
        details={
            "digest": revision.digest,
            "tests": count,
            "replays": [each["id"] for each in read],
            "reason": reason or revision.reason,
            "restores": revision.restores,
        },
    )
    return revision


@transaction.atomic
def publish_set(
    *, policies: Mapping[str, object], queues: Collection[str], by: User, now: datetime, reason: str
) -> Revision | None:
    """Lay policies over the published set and publish the result in one step.

    Args:
        policies: by slug; a policy that is left out stays as it is.
        queues: slugs of the queues that exist.
        by: see `publish`.
        now: aware UTC.
        reason: why.

    Returns:
        The new revision; None where nothing would change.

    Raises:
        DocumentInvalid, TestsFail, Forbidden: see `publish`.
    """
    sql.advisory_lock("policies.publish")
    wanted = normal_form({**published_policies(), **policies})
    old = snapshots.published()
    if old is not None and digest("acp.policies.v1", wanted) == old.digest:
        return None
    if old is None and not wanted:
        return None
    revision = _create(wanted, by=by, now=now, reason=reason)
    return publish(revision=revision, queues=queues, by=by, now=now, reason=reason)


@transaction.atomic
def roll_back(*, to: int, queues: Collection[str], by: User, now: datetime, reason: str) -> Revision:
    """Publish a copy of an earlier revision.

    Args:
        to: number of a revision that was in force before.
        queues: slugs of the queues that exist.
        by: see `publish`.
        now: aware UTC.
        reason: why.

    Raises:
        Missing: no such revision was ever in force.
        NothingToPublish: it says what is in force now.
        DocumentInvalid, TestsFail, Forbidden: see `publish`.
    """
    sql.advisory_lock("policies.publish")
    earlier = Revision.objects.filter(number=to, state=RevisionState.SUPERSEDED).first()
    if earlier is None:
        raise Missing
    old = snapshots.published()
    if old is not None and old.digest == earlier.digest:
        raise NothingToPublish(f"r{to} says what is in force already.")
    revision = _create(earlier.document, by=by, now=now, reason=reason, restores=to)
    return publish(revision=revision, queues=queues, by=by, now=now, reason=reason)


def _create(document: dict[str, Any], *, by: User, now: datetime, reason: str, restores: int | None = None) -> Revision:
    last = Revision.objects.aggregate(last=Max("number"))["last"] or 0
    live = snapshots.published()
    return Revision.objects.create(
        number=last + 1,
        document=document,
        digest=digest("acp.policies.v1", document),
        reason=reason,
        base=live.number if live else 0,
        restores=restores,
        author=by,
        created_at=now,
    )


def _replays_read(revision: Revision, replays: Sequence[UUID], by: User) -> list[dict[str, Any]]:
    """Return what is kept of the replays that were read before publishing."""
    if not replays:
        return []
    rows = Replay.objects.finished().of_digest(revision.digest).visible_to(by).filter(pk__in=replays)
    found = {row.pk: row for row in rows.defer("memory")}
    unknown = [place for place, pk in enumerate(replays) if pk not in found]
    if unknown:
        raise invalid(f"/replays/{unknown[0]}", "unknown_replay", "It is no finished replay of exactly this draft.")
    return [
        {
            "id": str(row.pk),
            "since": row.since.isoformat(),
            "until": row.until.isoformat(),
            "decisions": row.done,
            **{kind: row.result[kind]["count"] for kind in ("newly_blocked", "newly_allowed", "newly_held")},
        }
        for row in found.values()
    ]


def require_base(revision: Revision, live: Revision | None) -> None:
    """Check that a draft was written over what is in force.

    Args:
        revision: about to be published.
        live: the published revision.

    Raises:
        BaseMoved: it was written over another one.
    """
    present = live.number if live else 0
    if revision.state == RevisionState.DRAFT and revision.base is not None and revision.base != present:
        wrote = f"r{revision.base}" if revision.base else "no published revision"
        raise BaseMoved(f"r{revision.number} was written over {wrote}; r{present} is in force now.")


def known_subjects() -> dict[str, Subject]:
    """Return every agent as its policies' tests take it: active, released, in production."""
    return {
        agent.slug: Subject(
            agent=agent.slug,
            team=agent.team.slug,
            tags=frozenset(agent.tags),
            environment="production",
            capabilities=frozenset(agent.capabilities),
            data_scopes=frozenset(agent.data_scopes),
            state="active",
            kill=None,
            released=True,
        )
        for agent in Agent.objects.select_related("team")
    }
