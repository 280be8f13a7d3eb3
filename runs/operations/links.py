"""Ties runs to the runs that they repeat or that started them, in whatever order they arrive."""

from __future__ import annotations

from runs.models import Run
from runs.operations.ledger import Ledger, fetch

_LINKS = (("parent_ref", "parent_run"), ("retry_ref", "retry_of"))


def link(ledger: Ledger) -> None:
    """Resolve what touched runs name, and what waited for the runs that are new.

    Names are looked up within the agent. What a run names may never come (another agent's run,
    one that was pruned): then the name stays alone.
    """
    news = {name for run in ledger.touched_runs() for name in (run.event_id, run.external_id) if name}
    for ref, target in _LINKS:
        waiting = Run.objects.filter(agent=ledger.source.agent, **{f"{target}__isnull": True})
        for run in [*ledger.touched_runs(), *ledger.adopt(fetch(waiting, ref, news))]:
            name = getattr(run, ref)
            found = ledger.find(name) if name and getattr(run, target) is None else None
            if found is not None and found.pk != run.pk:
                setattr(run, target, found.pk)
                ledger.change_run(run)
