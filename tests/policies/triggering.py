"""What tests of threshold triggers do: denials, looks, and triggers that watch them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audit import sql
from audit.actors import System
from audit.operations import record, seal
from policies.models import Trigger
from policies.operations import save_trigger, try_trigger, watch
from tests.controlplane.api.scene import ask
from tests.world import World

DENIALS = {"count": "denials", "agent": "job-applier", "more_than": 2, "per": "1h", "mode": "warn"}


def deny(world: World, times: int, mark: str = "") -> None:
    for number in range(times):
        answer = ask(world, f"no-{mark}{number}", verb="report.read", destination="https://a.example.com/")
        assert answer.effect == "deny"


def note_denials(times: int, *, at: datetime, agent: str = "job-applier", team: str = "talent") -> None:
    """Write the entries that denials leave, as of another time."""
    for _ in range(times):
        record(
            kind="action.decided", object_type="action", object_id="x", by=System("tests"), now=at, team=team,
            agent=agent, outcome="deny", details={"codes": ["no_rule"]},
        )  # fmt: skip


def look(world: World, *, now: datetime | None = None) -> int:
    """Seal, and run the watch."""
    seal(now=sql.now(), everything=True)
    return watch(now=now or sql.now())


def save(
    world: World, by: Any = None, slug: str = "too-many", try_first: bool | None = None, **changes: Any
) -> Trigger:
    """Write a trigger; one that warns is tried while it is written, as `apply` does, unless it is said otherwise."""
    document = {key: value for key, value in {**DENIALS, **changes}.items() if value is not None}
    trying = document["mode"] == "warn" if try_first is None else try_first
    return save_trigger(slug=slug, document=document, by=by or world.admin, now=sql.now(), try_first=trying)


def enforcing(world: World, **changes: Any) -> Trigger:
    trigger = save(world, **changes)
    try_trigger(trigger=trigger, by=world.admin, now=sql.now())
    return save(world, **{**changes, "mode": "enforce"})
