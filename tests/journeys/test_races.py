"""Eight processes at once: what is promised once happens once, and the naive twins are caught."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from approvals.models import ApprovalRequest, Grant
from approvals.operations.opening import current_revision
from audit import sql
from costs.models import BudgetPeriod
from policies.models import Admission, Decision
from policies.operations import publish_set
from registry.models import Agent, User
from registry.operations import pause_agent
from tests.journeys import crew, jobs
from tests.journeys.installation import EXAMPLE, Installation, build
from tests.reviewing import read_and_vote

FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}
MAIL = {"verb": "email.send", "payload": {"to": ["jane@acme.com"]}}
MAXIMUM, MINUTE = 20, timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """How big a race is.

    Attributes:
        crew: processes at once.
        grants: grants that all of them try to redeem.
        keys: idempotency keys that all of them use.
        each: asks of each, for the limit and the budget; together more than 20.
    """

    crew: int
    grants: int
    keys: int
    each: int


# The default tier races for seconds; the long one is what the promise is judged by.
SMOKE = Scale(crew=3, grants=12, keys=5, each=10)
FULL = Scale(crew=8, grants=200, keys=50, each=20)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("scale", [SMOKE, pytest.param(FULL, marks=pytest.mark.long)], ids=["smoke", "full"]),
]


def _document(**changes: str) -> str:
    text = EXAMPLE.read_text(encoding="utf-8")
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


def _orders(
    installation: Installation, body: Any, *, crew_size: int, each: int, shared: bool = False
) -> list[dict[str, Any]]:
    return [
        {
            "key": installation.key,
            "bodies": [body] * each,
            "idempotency_keys": [f"{'all' if shared else member}-{number}" for number in range(each)],
        }
        for member in range(crew_size)
    ]


def _approved(installation: Installation, wanted: int) -> list[list[str]]:
    """Hold and approve enough mails; return (action, digest) of each grant."""
    reviewer = User.objects.get(username="talent-reviewer")
    grants = []
    while len(grants) < wanted:
        # At most 50 requests of one agent may wait.
        names = [f"mail-{len(grants) + number}" for number in range(min(40, wanted - len(grants)))]
        asked = jobs.ask(key=installation.key, bodies=[MAIL] * len(names), idempotency_keys=names)
        assert {effect for effect, _, _ in asked} == {"review"}
        for request in ApprovalRequest.objects.open():
            digest = current_revision(request).digest
            read_and_vote(request, by=reviewer)
            grants.append([str(request.decision_id), digest])
    return grants


def _caught(twin_fails: Callable[[], bool]) -> bool:
    """Say whether a naive twin is caught: what races loses often, not at every single try."""
    return any(twin_fails() for _ in range(8))


def test_one_grant_is_redeemed_once(scale: Scale) -> None:
    installation = build()
    grants = _approved(installation, scale.grants)
    orders = [{"key": installation.key, "grants": grants, "name": f"p{n}"} for n in range(scale.crew)]
    seen = crew.run("redeem", orders)
    assert {word for one in seen for word in one} <= {"redeemed", "already_redeemed"}
    times = Counter(action for one in seen for action in one.get("redeemed", []))
    assert len(times) == scale.grants
    assert set(times.values()) == {1}
    assert Grant.objects.filter(state="redeemed").count() == scale.grants

    def twin_redeems_twice() -> bool:
        Grant.objects.update(state="issued")
        naive = crew.run("naive_redeem", orders)
        return max(Counter(action for one in naive for action in one["redeemed"]).values()) > 1

    assert _caught(twin_redeems_twice)


def test_a_limit_is_never_exceeded_and_never_under_used(scale: Scale) -> None:
    installation = build(_document(pace=("units: 200, per: 1d", f"units: {MAXIMUM}, per: 1m")))
    seen = crew.run("ask", _orders(installation, FORM, crew_size=scale.crew, each=scale.each))
    effects = Counter(effect for one in seen for effect, _, _ in one)
    assert set(effects) == {"allow", "throttle"}
    assert effects.total() == scale.crew * scale.each
    admitted = sorted(Admission.objects.values_list("at", flat=True))
    assert len(admitted) == effects["allow"] >= MAXIMUM

    def taken(at: datetime) -> int:
        return sum(at - MINUTE < other <= at for other in admitted)

    assert max(map(taken, admitted)) == MAXIMUM
    # Whoever was refused was refused by a full window: nothing that was free was withheld.
    refused = Decision.objects.filter(effect="throttle").values_list("at", flat=True)
    assert {taken(at) for at in refused} == {MAXIMUM}

    orders = [{"limit": "naive", "maximum": MAXIMUM, "tries": scale.each}] * scale.crew

    def twin_exceeds() -> bool:
        Admission.objects.filter(key="naive").delete()
        return sum(crew.run("naive_limit", orders)) > MAXIMUM

    assert _caught(twin_exceeds)


def test_one_idempotency_key_gives_one_decision(scale: Scale) -> None:
    installation = build()
    seen = crew.run("ask", _orders(installation, FORM, crew_size=scale.crew, each=scale.keys, shared=True))
    for answers in zip(*seen, strict=True):
        assert len({action for _, action, _ in answers}) == 1
        assert sum(not replayed for _, _, replayed in answers) == 1
    assert Decision.objects.count() == scale.keys
    assert Admission.objects.count() == scale.keys


def test_a_deny_budget_admits_nothing_beyond_its_limit(scale: Scale) -> None:
    installation = build(_document(limit=('limit_usd: "200.00"', 'limit_usd: "1.00"')))
    seen = crew.run("ask", _orders(installation, FORM, crew_size=scale.crew, each=scale.each))
    effects = Counter(effect for one in seen for effect, _, _ in one)
    assert effects == {"allow": 20, "deny": scale.crew * scale.each - 20}
    period = BudgetPeriod.objects.get()
    assert period.settled_nanousd + period.reserved_nanousd == 1_000_000_000

    order = {"period": period.pk, "amount": 50_000_000, "limit": 1_000_000_000, "tries": scale.each}

    def twin_overspends() -> bool:
        BudgetPeriod.objects.update(reserved_nanousd=0)
        return sum(crew.run("naive_budget", [order] * scale.crew)) > 20

    assert _caught(twin_overspends)


def _pause(by: User) -> None:
    agent = Agent.objects.select_related("team").get()
    pause_agent(agent=agent, reason="test", by=by, now=sql.now())


def _publish(by: User) -> None:
    # In the place of the one that allows, with its tests.
    policies = {"job-applications": {"rules": [{"forbid": {"name": "all"}}]}}
    publish_set(policies=policies, queues={"outreach"}, by=by, now=sql.now(), reason="test")


@pytest.mark.parametrize("stop", [_pause, _publish])
@pytest.mark.parametrize("job", ["ask_until_denied", "naive_pause"])
def test_a_pause_and_a_policy_are_seen_by_the_very_next_ask(
    scale: Scale, job: str, stop: Callable[[User], None]
) -> None:
    installation = build()
    stopped: list[float] = []

    def stop_soon() -> None:
        try:
            ends = time.monotonic() + 60
            while Decision.objects.count() < scale.crew and time.monotonic() < ends:
                pass
            stop(installation.admin)
            stopped.append(time.monotonic())
        finally:
            connection.close()

    order = {"key": installation.key, "body": FORM, "seconds": 30}
    stopper = threading.Thread(target=stop_soon)
    stopper.start()
    seen = crew.run(job, [order] * scale.crew)
    stopper.join()
    assert stopped, "it was not stopped"
    late = [effect for one in seen for begun, effect in one if begun > stopped[0]]
    if job == "naive_pause":
        assert "allow" in late
    else:
        assert set(late) <= {"deny"}
        assert all(one[-1][1] == "deny" for one in seen)
