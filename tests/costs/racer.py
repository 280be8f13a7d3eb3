"""One of several processes that spend from the same budgets: ``python -m tests.costs.racer ORDER``.

It says ``ready`` and waits for a line, once or twice, does what the order says, and prints what it saw as JSON.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import django

django.setup()

from django.db import connection, transaction  # noqa: E402 - the apps must be loaded first

from audit.ids import new_id  # noqa: E402
from costs import budgets  # noqa: E402
from costs.models import BudgetPeriod  # noqa: E402
from costs.money import NANO  # noqa: E402
from costs.operations import roll_up  # noqa: E402
from registry.models import Agent  # noqa: E402
from tests.costs.spending import make_decision, reserve, spend  # noqa: E402
from tests.world import INSTALLATION, NOW  # noqa: E402

CENT = NANO // 100


def together() -> None:
    """Wait until every other process is as far."""
    print("ready", flush=True)
    sys.stdin.readline()


def reserve_only(agent: Agent, tries: int) -> int:
    """Reserve five cents again and again; return how often it was admitted."""
    admitted = 0
    for _ in range(tries):
        with transaction.atomic():
            admitted += reserve(agent, 5) is None
    return admitted


def reserve_naively(agent: Agent, tries: int) -> int:
    """The twin: reads the period, compares, and writes the sum back; nobody writes before everybody read once."""
    admitted = 0
    for number in range(tries):
        row = BudgetPeriod.objects.get()
        if number == 0:
            together()
        if row.settled_nanousd + row.reserved_nanousd + 5 * CENT <= NANO:
            BudgetPeriod.objects.filter(pk=row.pk).update(reserved_nanousd=row.reserved_nanousd + 5 * CENT)
            admitted += 1
    return admitted


def everything(agent: Agent, tries: int) -> int:
    """Reserve, spend, release, report again and roll up, as chance has it."""
    chance = random.Random(agent.pk)
    admitted = 0
    for number in range(tries):
        with transaction.atomic():
            decision = make_decision(agent)
            refusal = reserve(agent, 5, decision_id=decision)
        admitted += refusal is None
        event = f"{agent.slug} {chance.randrange(tries)}"
        if refusal is None and chance.random() < 0.6:
            spend(agent, chance.randrange(12), decision_id=decision, event_id=event, response_id=event)
        elif chance.random() < 0.5:
            budgets.release(decision_id=decision, by=INSTALLATION, now=NOW)
        else:
            spend(agent, 1, event_id=str(new_id()), task=f"t{number}")
        if chance.random() < 0.2:
            roll_up(now=NOW)
    return admitted


def main() -> None:
    """Do what the order says."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    agent = Agent.objects.select_related("team").get(slug=order["agent"])
    connection.ensure_connection()
    together()
    print(json.dumps(JOBS[order["job"]](agent, order["tries"])))


JOBS = {"reserve": reserve_only, "naive": reserve_naively, "everything": everything}

if __name__ == "__main__":
    main()
