"""Many processes at once against one split guard: never more distinct values than it admits, and never fewer."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from audit import sql
from controlplane.apply import apply_document
from policies.models import Decision, Distinct
from tests.journeys import crew
from tests.journeys.installation import build

POLICY = """
policies:
  job-applications: {rules: []}
  splitting:
    mode: enforce
    rules:
      - allow: {name: mail, verb: "email.**"}
      - split: {name: drip, verb: "email.**", distinct: destination, max: 7, per: 1h}
"""
MAXIMUM, HOUR = 7, timedelta(hours=1)
# Crew, and asks of each member: values overlap between members, so that some are met twice.
SCALES = [(3, 8), pytest.param((8, 40), marks=pytest.mark.long)]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def _addresses(member: int, each: int) -> list[str]:
    return [f"u{(member * 3 + number) % (2 * each)}@acme.com" for number in range(each)]


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_split_guard_is_never_passed_and_never_under_used(scale: tuple[int, int]) -> None:
    members, each = scale
    installation = build()
    apply_document(text=POLICY, by=installation.admin, now=sql.now(), dry_run=False)
    orders = [
        {
            "key": installation.key,
            "bodies": [{"verb": "email.send", "payload": {"to": [to]}} for to in _addresses(member, each)],
            "idempotency_keys": [f"{member}-{number}" for number in range(each)],
        }
        for member in range(members)
    ]
    seen = crew.run("ask", orders)
    assert set(Counter(effect for one in seen for effect, _, _ in one)) == {"allow", "throttle"}
    allowed = [(row.at, row.destinations[0]) for row in Decision.objects.filter(effect="allow").order_by("at")]
    assert len(allowed) >= MAXIMUM

    def window(at: datetime) -> set[str]:
        return {place for other, place in allowed if at - HOUR < other <= at}

    assert max(len(window(at)) for at, _ in allowed) == MAXIMUM
    # Whoever was refused brought a new value to a full window; whoever brought an old one was not refused.
    for row in Decision.objects.filter(effect="throttle"):
        held = window(row.at)
        assert len(held) == MAXIMUM
        assert row.destinations[0] not in held
    assert Distinct.objects.count() == MAXIMUM

    def twin_passes() -> bool:
        Distinct.objects.filter(key="naive").delete()
        naive = [
            {"split": "naive", "maximum": MAXIMUM, "values": [f"{member}-{number}" for number in range(each)]}
            for member in range(members)
        ]
        crew.run("naive_split", naive)
        return Distinct.objects.filter(key="naive").count() > MAXIMUM

    assert any(twin_passes() for _ in range(8))
