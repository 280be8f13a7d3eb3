"""Pricing usage again, when the price list knows better."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from audit import sql
from audit.actors import Acting
from audit.operations import record
from costs import in_force, own_prices, permissions, prices
from costs.models import Usage
from costs.operations.alerts import alert
from costs.operations.usage import charges_of, mark_dirty, pause_after_commit
from costs.settlement import Charge, settle

_PRICE = "UPDATE costs_usage SET cost_nanousd = %s, price_version = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Rerated:
    """What pricing again has changed.

    Attributes:
        calls: calls whose cost changed, or is known for the first time.
        delta_nanousd: by how much their sum changed, nano-USD.
    """

    calls: int
    delta_nanousd: int


@transaction.atomic
def rerate(*, model: str, by: Acting, now: datetime) -> Rerated:
    """Price all usage of a model again at the present price list; rollups and budgets follow.

    A call whose price is no longer known keeps the one it has. Usage waits while this runs.

    Args:
        model: the model's name, as reported.
        by: who may change prices.
        now: when, aware UTC.

    Raises:
        Forbidden: `by` may not change prices.
    """
    permissions.may_rerate(by)
    in_force.hold_alone()
    own = own_prices.own_rates({model})
    changed: list[Usage] = []
    charges: list[Charge] = []
    pinned: list[tuple[int, str, str | None]] = []
    delta = 0
    for row in Usage.objects.filter(model=model).order_by("id").iterator():
        price = own_prices.price(own, provider=row.provider, model=row.model, tokens=row.tokens, at=row.at)
        if price is None or (row.cost_nanousd, row.price_version) == (price.nanousd, price.version):
            continue
        pinned.append((price.nanousd, price.version, sql.key(row.pk)))
        if row.cost_nanousd != price.nanousd:
            difference = price.nanousd - (row.cost_nanousd or 0)
            delta += difference
            changed.append(row)
            charges += charges_of(row, difference)
    if not pinned:
        return Rerated(0, 0)
    # executemany: a model may have a hundred thousand calls, and bulk_update builds a CASE over all.
    with connection.cursor() as cursor:
        cursor.executemany(_PRICE, pinned)
    mark_dirty(changed)
    alerts = alert(standings=settle(charges=charges, now=now), by=by, now=now)
    pause_after_commit(alerts, now=now)
    record(
        kind="usage.rerated",
        object_type="model",
        object_id=model[:150],
        by=by,
        now=now,
        outcome="rerated",
        details={
            "calls": len(changed),
            "delta_nanousd": str(delta),
            "price_version": own[model].version if model in own else prices.price_version(),
        },
    )
    return Rerated(len(changed), delta)
