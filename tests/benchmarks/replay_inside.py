"""The part of `tests.benchmarks.replay` that runs beside the database."""

from __future__ import annotations

import json
import os
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from audit import sql
from audit.ids import floor_id
from controlplane.operating import replaying
from policies.models import Replay, Revision
from policies.operations import decisions, save_draft, start_replay
from registry.models import Agent, User
from tests.benchmarks.world import build

_BATCH = 5_000
_DAYS = 30
_PAYLOAD = {"url": "https://jobs.example.com/apply", "fields": {"name": "Ada Example", "position": "Engineer"}}


def measure(decisions: int) -> None:
    """Fill the database, replay, print."""
    replay = _prepare(decisions)
    began, worked, first, peak, slices = time.monotonic(), time.process_time(), 0, 0, 0
    more = True
    while more:
        more = replaying.work_off(replay_id=replay.pk)
        slices += 1
        peak = max(peak, _resident())
        first = first or peak
    seconds, worked = time.monotonic() - began, time.process_time() - worked
    done = Replay.objects.get(pk=replay.pk)
    found = {kind: done.result[kind]["count"] for kind in ("newly_blocked", "newly_allowed", "newly_held")}
    print(f"  {done.state}: {done.done:,} decisions in {seconds:.1f} s = {done.done / seconds:,.0f}/s, {slices} slices")
    print(f"  of these {worked:.1f} s on the processor; came out otherwise: {found}")
    print(f"  resident after the first slice {first / 2**20:.0f} MiB, growth {(peak - first) / 2**20:.1f} MiB")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _prepare(decisions: int) -> Any:
    """Fill the database; return the replay."""
    build()
    admin, now = User.objects.get(username="admin"), sql.now()
    since = now - timedelta(days=_DAYS)
    began = time.monotonic()
    _fill(decisions, list(Agent.objects.order_by("pk").values_list("pk", flat=True)), since)
    print(f"  filled in {time.monotonic() - began:.0f} s", flush=True)
    document = dict(Revision.objects.get(state="published").document)
    document["new"] = {"mode": "enforce", "rules": [
        {"forbid": {"name": "few", "verb": "form.submit", "destination": "https://forms.example.com/*"}},
        {"review": {"name": "mail", "verb": "email.**", "queue": "outreach"}},
        {"limit": {"name": "pace", "verb": "form.submit", "units": 500, "per": "1d", "by": "agent"}},
    ]}  # fmt: skip
    draft = save_draft(policies=document, by=admin, now=now)
    return start_replay(revision=draft, since=since, until=now, by=admin, now=now)


def _fill(decisions: int, agents: list[int], since: datetime) -> None:
    """Insert decisions as the gateway writes them, with raw SQL: asking a million times would take an hour."""

    step = timedelta(days=_DAYS) / decisions
    for start in range(0, decisions, _BATCH):
        with transaction.atomic():
            _insert(range(start, min(start + _BATCH, decisions)), agents, since, step)
    with connection.cursor() as cursor:
        # As PostgreSQL does by itself within a minute.
        cursor.execute("ANALYZE")


def _insert(numbers: range, agents: list[int], since: datetime, step: timedelta) -> None:
    rows, bodies = [], []
    for number in numbers:
        at = since + step * number
        identity = uuid.UUID(int=floor_id(at).int | number).hex
        verb, effect, reasons, body = _action(number)
        rows.append([
            identity, agents[number % len(agents)], "bench", "key", "production", 1, None, "", "", "",
            f"bench-{number}", "0" * 64, "0" * 64, verb, "write", "[]", 1, None, "", "[]", effect,
            json.dumps(reasons), "[]", "[]", 1, None, None, None, False, sql.stamp(at),
        ])  # fmt: skip
        bodies.append([identity, b"0" * 16, json.dumps(body, sort_keys=True, separators=(",", ":")).encode()])
    with connection.cursor() as cursor:
        cursor.executemany(decisions._INSERT, rows)
        cursor.executemany(decisions._PAYLOAD, bodies)


def _action(number: int) -> tuple[str, str, list[dict[str, Any]], dict[str, Any]]:
    if number % 20 == 19:
        said = [{"policy": None, "rule": None, "code": "no_rule", "text": "No rule permits email.send."}]
        return "email.send", "deny", said, {"verb": "email.send", "payload": {"to": [f"p{number}@acme.com"]}}
    host = "forms" if number % 10 == 0 else "jobs"
    said = [{"policy": "policy-0", "rule": "submit", "code": "allowed", "text": "policy-0 allows this (rule submit)."}]
    payload = {**_PAYLOAD, "url": f"https://{host}.example.com/apply", "n": number}
    return "form.submit", "allow", said, {"verb": "form.submit", "payload": payload, "units": 1}
