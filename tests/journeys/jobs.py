"""What the members of a crew do; the twins are the naive versions that the tests must catch."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from approvals.models import Grant
from audit import sql
from audit.refusals import Refusal
from controlplane import gateway
from costs.models import BudgetPeriod
from policies.models import Admission, Distinct
from registry.authentication import Principal, authenticate
from registry.models import Agent


def _principal(key: str) -> Principal:
    principal = authenticate(key, now=sql.now())
    assert principal is not None
    return principal


def ask(key: str, bodies: list[Any], idempotency_keys: list[str]) -> list[Any]:
    """Ask for each body; return effect and id of each answer."""
    principal = _principal(key)
    answers = []
    for body, name in zip(bodies, idempotency_keys, strict=True):
        answer = gateway.ask(principal=principal, key=name, raw=json.dumps(body).encode())
        answers.append([answer.effect, str(answer.id), answer.replayed])
    return answers


def redeem(key: str, grants: list[list[str]], name: str) -> dict[str, list[str]]:
    """Try to redeem each grant; return the actions by what happened."""
    principal = _principal(key)
    seen: dict[str, list[str]] = {}
    for action_id, digest in grants:
        try:
            gateway.redeem(principal=principal, action_id=UUID(action_id), key=f"{name}-{action_id}", digest=digest)
            word = "redeemed"
        except Refusal as refusal:
            word = refusal.code
        seen.setdefault(word, []).append(action_id)
    return seen


def ask_until_denied(key: str, body: Any, seconds: float) -> list[list[Any]]:
    """Ask again and again; return (begun, effect) of each, begun on the machine's monotonic clock."""
    principal = _principal(key)
    seen: list[list[Any]] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        begun = time.monotonic()
        answer = gateway.ask(principal=principal, key=str(uuid4()), raw=json.dumps(body).encode())
        seen.append([begun, answer.effect])
        if answer.effect == "deny":
            break
    return seen


def naive_redeem(key: str, grants: list[list[str]], name: str) -> dict[str, list[str]]:
    """The twin: looks, then writes, with no guard in the UPDATE."""
    redeemed = []
    for action_id, _ in grants:
        grant = Grant.objects.get(decision=UUID(action_id))
        _dawdle()
        if grant.state == "issued":
            Grant.objects.filter(pk=grant.pk).update(state="redeemed")
            redeemed.append(action_id)
    return {"redeemed": redeemed}


def _dawdle() -> None:
    """Do something between looking and writing, as real code does."""
    for _ in range(20):
        Agent.objects.exists()


def naive_limit(limit: str, maximum: int, tries: int) -> int:
    """The twin: sums the window, then admits, with no lock around both."""
    admitted = 0
    for _ in range(tries):
        now = sql.now()
        rows = Admission.objects.filter(key=limit, at__gt=now - timedelta(minutes=1))
        taken = sum(rows.values_list("units", flat=True))
        _dawdle()
        if taken < maximum:
            Admission.objects.create(key=limit, at=now, units=1, decision_id=UUID(int=0))
            admitted += 1
    return admitted


def naive_split(split: str, values: list[str], maximum: int) -> int:
    """The twin: counts the window's values, then adds its own, with no lock around both."""
    admitted = 0
    for value in values:
        now = sql.now()
        met = set(Distinct.objects.filter(key=split, at__gt=now - timedelta(hours=1)).values_list("value", flat=True))
        _dawdle()
        if len(met | {value}) <= maximum:
            Distinct.objects.update_or_create(key=split, value=value, defaults={"at": now})
            admitted += 1
    return admitted


def naive_budget(period: int, amount: int, limit: int, tries: int) -> int:
    """The twin: reads the period, compares, and writes the sum back."""
    admitted = 0
    for _ in range(tries):
        row = BudgetPeriod.objects.get(pk=period)
        _dawdle()
        if row.settled_nanousd + row.reserved_nanousd + amount <= limit:
            BudgetPeriod.objects.filter(pk=period).update(reserved_nanousd=row.reserved_nanousd + amount)
            admitted += 1
    return admitted


def naive_pause(key: str, body: Any, seconds: float) -> list[list[Any]]:
    """The twin: remembers the agent's state, for a second longer than whoever looks is answered otherwise."""
    principal = _principal(key)
    remembered = Agent.objects.get(pk=principal.agent_id).state
    seen: list[list[Any]] = []
    ends, denied = time.monotonic() + seconds, False
    while time.monotonic() < ends:
        begun = time.monotonic()
        answer = gateway.ask(principal=principal, key=str(uuid4()), raw=json.dumps(body).encode())
        seen.append([begun, "allow" if remembered == "active" else "deny"])
        if answer.effect == "deny" and not denied:
            ends, denied = time.monotonic() + 1, True
    return seen
