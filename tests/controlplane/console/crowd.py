"""Many rows of everything, in bulk: copies of the rows that production's road built, different where they must."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import CharField, Field, IntegerField, Model, UniqueConstraint

from approvals.models import ApprovalRequest, Grant
from approvals.states import ApprovalState, GrantState
from audit.ids import new_id
from policies.models import Decision, Firing, Revision
from policies.states import FiringState, RevisionState
from registry.models import AgentVersion, KillSwitch, Release
from registry.states import KillState, ReleaseState, VersionState

Change = Callable[[int, Any], None]
# Of these there is one of its state at a time, or one that would stop everybody.
OVER: Mapping[type[Model], Mapping[str, str]] = {
    Release: {"state": ReleaseState.ENDED},
    AgentVersion: {"state": VersionState.DRAFT},
    KillSwitch: {"state": KillState.LIFTED},
    Revision: {"state": RevisionState.SUPERSEDED},
    Firing: {"state": FiringState.REARMED},
}


def unlike(row: Model, place: int) -> Model:
    """Return an unsaved copy of a row that no unique constraint takes for the same."""
    fields: Sequence[Field[Any, Any]] = row._meta.concrete_fields
    copy = type(row)(**{field.attname: getattr(row, field.attname) for field in fields})
    copy._state.adding = True
    primary = row._meta.pk
    assert primary is not None
    if not primary.remote_field:
        setattr(copy, primary.attname, new_id() if isinstance(row.pk, uuid.UUID) else None)
    for name in _must_differ(type(row)):
        value = getattr(row, name)
        field = row._meta.get_field(name)
        if isinstance(value, str):
            longest = getattr(field, "max_length", None) or 200
            setattr(copy, name, f"{value[: longest - 9]}-{place:08d}"[:longest])
        elif isinstance(value, int):
            setattr(copy, name, value + place + 1)
    return copy


def _must_differ(model: type[Model]) -> set[str]:
    names = {field.name for field in model._meta.concrete_fields if field.unique and not field.primary_key}
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.condition is None:
            names |= set(constraint.fields)
    plain = (CharField, IntegerField)
    return {
        name
        for name in names
        if isinstance(model._meta.get_field(name), plain) and not model._meta.get_field(name).choices
    }


def multiply(model: type[Model], number: int, change: Change = lambda place, copy: None) -> list[Any]:
    """Insert copies of a model's first row and return them."""
    first = model._default_manager.order_by("pk").first()
    if first is None:
        return []
    there = model._default_manager.count()
    copies = [unlike(first, there + place) for place in range(number)]
    for place, copy in enumerate(copies):
        for name, value in OVER.get(model, {}).items():
            setattr(copy, name, value)
        change(place, copy)
    made: list[Any] = model._default_manager.bulk_create(copies, batch_size=500)
    return made


def grow(models: Sequence[type[Model]], number: int) -> dict[str, int]:
    """Insert so many rows of each model and return what is there now.

    Args:
        models: what to insert; of what hangs on one decision, each copy gets a decision of its own.
        number: copies of each.
    """
    decisions = multiply(Decision, number)
    requests = multiply(ApprovalRequest, number, _of(decisions, ApprovalState.REJECTED))
    _queue(requests)
    multiply(Grant, number, _of(decisions, GrantState.EXPIRED, approval_id=None))
    for model in models:
        if model not in {Decision, ApprovalRequest, Grant}:
            multiply(model, number)
    return {model.__name__: model._default_manager.count() for model in models}


def _of(decisions: Sequence[Decision], state: str, **more: Any) -> Change:
    def change(place: int, copy: Any) -> None:
        copy.decision_id = decisions[place].pk
        copy.state = state
        for name, value in more.items():
            setattr(copy, name, value)

    return change


def _queue(requests: Sequence[ApprovalRequest]) -> None:
    through = ApprovalRequest.queues.through
    first = through.objects.order_by("pk").first()
    if first is not None:
        through.objects.bulk_create(
            [through(approvalrequest_id=row.pk, queue_id=first.queue_id) for row in requests], batch_size=500
        )
