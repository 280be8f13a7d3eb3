"""What the nursery's children do."""

from __future__ import annotations

from typing import Any

from controlplane.celery import app
from tests.faults.breaking import Death, broken


def registered() -> list[str]:
    """Load every module with tasks, as a worker does at its start; return the names of ours."""
    app.loader.import_default_modules()
    app.finalize()
    return sorted(name for name in app.tasks if not name.startswith("celery."))


def task(name: str, at: int = -1, after: bool = False, **arguments: Any) -> int:
    """Do a task, and die at a point of it; return how many points there were."""
    death = Death(at, after)
    with broken(death):
        app.tasks[name].apply(kwargs=arguments, throw=True)
    return death.met


DOES = {"task": task}
