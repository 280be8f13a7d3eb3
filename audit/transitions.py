"""The only way a state changes: one guarded UPDATE and its entry in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol, cast

from django.db import models

from audit.actors import Acting
from audit.operations import record
from audit.refusals import IllegalTransition, Stale


class Audited(Protocol):
    """How an object presents itself to the trail."""

    audit_type: ClassVar[str]

    @property
    def audit_id(self) -> str:
        """Public id of the object."""
        ...

    @property
    def audit_team(self) -> str:
        """Slug of the team in whose trail it belongs, or empty."""
        ...

    @property
    def audit_agent(self) -> str:
        """Slug of the agent concerned, or empty."""
        ...


class Stateful(Audited, Protocol):
    """A model instance with a state and its transition table."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]]
    pk: Any
    state: Any


def move(
    target: Stateful,
    to: str,
    *,
    by: Acting,
    now: datetime,
    kind: str = "",
    outcome: str = "",
    details: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> None:
    """Change a state, if nobody else did first, and record it.

    Runs in the caller's transaction. The guard works on both engines; ``select_for_update`` is
    silently ignored on SQLite.

    Args:
        target: the instance; its ``state`` says from where. Updated in place on success.
        to: the new state.
        by: who.
        now: when, aware UTC.
        kind: the entry's kind; ``<type>.<state>`` when left out.
        outcome: the entry's outcome; the new state when left out.
        details: the entry's details.
        fields: further columns that change in the same UPDATE.

    Raises:
        IllegalTransition: the table has no such edge.
        Stale: the row is no longer in the state that ``target`` has.
    """
    old = str(target.state)
    if to not in target.TRANSITIONS[old]:
        raise IllegalTransition(f"{target.audit_type} {target.audit_id} is {old} and cannot become {to}.")
    changes = dict(fields or {})
    model = cast("type[models.Model]", type(target))
    rows: models.QuerySet[models.Model] = models.QuerySet(model)
    updated = rows.filter(pk=target.pk, state=old).update(state=to, **changes)
    if updated != 1:
        raise Stale(f"{target.audit_type} {target.audit_id} is no longer {old}.")
    target.state = to
    for name, value in changes.items():
        setattr(target, name, value)
    note(
        target,
        kind=kind or f"{target.audit_type}.{to}",
        by=by,
        now=now,
        outcome=outcome or to,
        details={"from": old, "to": str(to), **(details or {})},
    )


def note(
    target: Audited,
    *,
    kind: str,
    by: Acting,
    now: datetime,
    outcome: str = "",
    before: str = "",
    after: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record something about an object, in the caller's transaction.

    Args:
        target: what it is about.
        kind: what was done, dotted.
        by: who.
        now: when, aware UTC.
        outcome: one word.
        before: digest before.
        after: digest after.
        details: ids, revisions, reasons.
    """
    record(
        kind=kind,
        object_type=target.audit_type,
        object_id=target.audit_id,
        by=by,
        now=now,
        team=target.audit_team,
        agent=target.audit_agent,
        outcome=outcome,
        before=before,
        after=after,
        details=details,
    )
