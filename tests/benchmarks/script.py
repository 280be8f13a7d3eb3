"""(c) The straight-line script: a decision's reads and writes by the driver, without HTTP or product code."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg

URL = "https://jobs.example.com/apply"
PAYLOAD: dict[str, Any] = {"url": URL, "fields": {"name": "Ada Example", "position": "Engineer", "years": 7}}


def connect(url: str) -> tuple[Any, bool]:
    """Open a connection with production's durability; say whether it is SQLite."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(urlsplit(url).path, isolation_level=None, timeout=20)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection, True
    return psycopg.connect(url, autocommit=True), False


def decide(connection: Any, lite: bool, public_id: str, number: int) -> None:
    """Make one decision."""
    mark = "?" if lite else "%s"
    cursor = connection.cursor()

    def run(statement: str, *values: Any) -> Any:
        cursor.execute(statement.replace("?", mark), values)
        return cursor

    body = json.dumps({"verb": "form.submit", "payload": PAYLOAD}, sort_keys=True).encode()
    digest = hashlib.sha256(body).hexdigest()
    hmac.new(b"pepper", body, hashlib.sha256).hexdigest()
    run("BEGIN IMMEDIATE" if lite else "BEGIN")
    share = "" if lite else " FOR SHARE OF a"
    found = run(
        "SELECT a.id, a.slug, a.team_id, t.slug, a.epoch, k.environment, v.number, p.number, c.revision "
        "FROM registry_agentkey k JOIN registry_agent a ON a.id = k.agent_id JOIN registry_team t ON t.id = a.team_id "
        "LEFT JOIN registry_release r ON r.agent_id = a.id AND r.environment = k.environment AND r.state = 'live' "
        "LEFT JOIN registry_agentversion v ON v.id = r.version_id "
        "LEFT JOIN policies_revision p ON p.state = 'published' LEFT JOIN registry_catalogue c ON c.id = 1 "
        f"WHERE k.public_id = ? AND k.state = 'live'{share}",
        public_id,
    ).fetchone()
    agent, slug, team_id, team, epoch, environment, version, revision, _ = found
    name = f"script-{number}-{uuid.uuid4().hex}"
    run("SELECT id FROM policies_decision WHERE agent_id = ? AND idempotency_key = ?", agent, name).fetchone()
    limit = f"policy-0/pace/{slug}"
    if not lite:
        run("SELECT pg_advisory_xact_lock(hashtextextended(?, 1)), clock_timestamp()", limit)
    now = datetime.now(UTC)
    stamp = (lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f")) if lite else (lambda moment: moment)
    since = stamp(now - timedelta(seconds=1))
    run("SELECT COALESCE(SUM(units), 0) FROM policies_admission WHERE key = ? AND at > ?", limit, since).fetchone()
    period = run(
        "UPDATE costs_budgetperiod SET reserved_nanousd = reserved_nanousd + 50000000 WHERE budget_id = "
        "(SELECT id FROM costs_budget WHERE team_id = ?) RETURNING id, budget_id",
        team_id,
    ).fetchone()
    decision, grant, entry = (uuid.uuid4().hex for _ in range(3))
    run(
        "INSERT INTO costs_reservation (decision_id, budget_id, budget_period_id, amount_nanousd, settled_nanousd, "
        "state, created_at, expires_at) VALUES (?, ?, ?, 50000000, 0, 'held', ?, ?)",
        decision, period[1], period[0], stamp(now), stamp(now + timedelta(days=1)),
    )  # fmt: skip
    run(
        "INSERT INTO policies_decision (id, agent_id, team, key_id, environment, version, step, task, purpose, "
        "idempotency_key, body_digest, digest, verb, capability, destinations, units, amount_currency, data_classes, "
        "effect, reasons, would_have, obligations, policy_revision, dry_run, at) VALUES (?, ?, ?, ?, ?, ?, '', '', '', "
        "?, ?, ?, 'form.submit', 'write', ?, 1, '', '[]', 'allow', ?, '[]', '[]', ?, ?, ?)",
        decision, agent, team, public_id, environment, version, name, digest, digest, json.dumps([URL]),
        json.dumps([{"policy": "policy-0", "rule": "submit", "code": "allowed", "text": "allowed"}]), revision, False,
        stamp(now),
    )  # fmt: skip
    run("INSERT INTO policies_payload (decision_id, salt, body) VALUES (?, ?, ?)", decision, uuid.uuid4().bytes, body)
    run("INSERT INTO policies_admission (key, at, units, decision_id) VALUES (?, ?, 1, ?)", limit, stamp(now), decision)
    run(
        "INSERT INTO approvals_grant (id, decision_id, agent_id, executor_id, agent_epoch, team, state, digest, "
        "issued_at, expires_at, redeem_key, redeemed_at, outcome_due_at, outcome_note, result_digest) VALUES "
        "(?, ?, ?, ?, ?, ?, 'redeemed', ?, ?, ?, '', ?, ?, '', '')",
        grant, decision, agent, agent, epoch, team, digest, stamp(now), stamp(now + timedelta(minutes=15)), stamp(now),
        stamp(now + timedelta(days=1)),
    )  # fmt: skip
    run(
        "INSERT INTO audit_entry (id, at, actor_type, actor_id, on_behalf_of, token_id, address, request_id, kind, "
        "object_type, object_id, team, agent, outcome, before_digest, after_digest, commitment, details) VALUES "
        "(?, ?, 'agent', ?, '', ?, '', '', 'action.decided', 'action', ?, ?, ?, 'allow', '', ?, ?, '{}')",
        entry, stamp(now), slug, public_id, decision, team, slug, digest, digest,
    )  # fmt: skip
    run("COMMIT")


def measure(url: str, public_ids: list[str], *, threads: int, seconds: float) -> float:
    """Return decisions per second of so many threads, each with a connection of its own."""
    counts = [0] * threads
    starts = time.perf_counter() + 0.5
    ends = starts + seconds

    def work(member: int) -> None:
        connection, lite = connect(url)
        number = member
        while (now := time.perf_counter()) < ends:
            decide(connection, lite, public_ids[number % len(public_ids)], number)
            number += threads
            counts[member] += now >= starts
        connection.close()

    workers = [threading.Thread(target=work, args=(member,)) for member in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds
