"""Split guards through the gateway: what a window holds, what costs nothing, and when there is room again."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from audit import sql
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.gateway.answers import Answer
from policies import limits
from policies.models import Admission, Distinct
from registry.authentication import Principal
from tests.approvals.steps import principal_of
from tests.journeys.installation import Installation, build

POLICY = """
policies:
  job-applications: {rules: []}
  splitting:
    mode: enforce
    rules:
      - allow: {name: all, verb: ["email.**", "form.*"]}
      - split: {name: drip, verb: "email.**", distinct: destination, max: 2, per: 1h}
      - split: {name: money, verb: "form.*", sum: amount, max: {value: "100.00", currency: USD}, per: 1h, by: team}
"""

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def installation() -> Installation:
    made = build()
    apply_document(text=POLICY, by=made.admin, now=sql.now(), dry_run=False)
    return made


class Asking:
    """Asks at chosen minutes of an hour that began now."""

    def __init__(self, principal: Principal) -> None:
        self.principal, self.began, self.asked = principal, sql.now(), 0

    def at(self, minute: float) -> datetime:
        return self.began + timedelta(minutes=minute)

    def ask(self, minute: float, **action: Any) -> Answer:
        self.asked += 1
        raw = json.dumps(action).encode()
        return gateway.ask(principal=self.principal, key=f"k{self.asked}", raw=raw, clock=lambda: self.at(minute))

    def mail(self, minute: float, *to: str, **more: Any) -> Answer:
        addresses = [f"{name}@acme.com" for name in to]
        return self.ask(minute, verb="email.send", payload={"to": addresses}, **more)

    def pay(self, minute: float, value: str) -> Answer:
        amount = {"value": value, "currency": "USD"}
        return self.ask(minute, verb="form.submit", payload={"url": "https://jobs.example.com/apply"}, amount=amount)


@pytest.fixture
def asking(installation: Installation) -> Asking:
    return Asking(principal_of(installation))


def test_a_value_that_the_window_has_costs_nothing_and_stays_in_it(asking: Asking) -> None:
    assert asking.mail(0, "a").effect == "allow"
    assert asking.mail(10, "b", "b").effect == "allow"
    assert asking.mail(20, "a").effect == "allow"
    refused = asking.mail(30, "c")
    assert (refused.effect, refused.reasons[0]["code"]) == ("throttle", "split_guarded")
    assert refused.reasons[0]["text"] == (
        "splitting admits 2 destinations in 3600 s (rule drip); 2 destinations taken, 1 destinations asked."
    )
    # a was met again at 20, so b goes first.
    assert refused.retry_at == asking.at(70)
    just_before = 70 - 1e-6
    assert asking.mail(just_before, "c").effect == "throttle"
    assert asking.mail(70, "c").effect == "allow"
    both = asking.mail(75, "d", "e")
    assert (both.effect, both.retry_at) == ("throttle", asking.at(130))
    assert asking.mail(75, "d", "e", "f").effect == "deny"
    assert asking.mail(130, "d", "e").effect == "allow"
    assert Distinct.objects.count() == 5
    assert "acme" not in "".join(Distinct.objects.values_list("value", flat=True))


def test_a_dry_run_and_a_refusal_take_nothing(asking: Asking) -> None:
    assert asking.mail(0, "a", "b", dry_run=True).effect == "allow"
    assert not Distinct.objects.exists()
    asking.mail(1, "a", "b")
    assert asking.mail(2, "c").effect == "throttle"
    assert Distinct.objects.count() == 2


def test_a_clock_that_steps_back_makes_nothing_forgotten_earlier(asking: Asking) -> None:
    asking.mail(10, "a")
    asking.mail(5, "a")
    assert Distinct.objects.get().at == asking.at(10)


def test_sums_of_money_are_exact_to_the_billionth(asking: Asking) -> None:
    assert asking.pay(0, "60.000000001").effect == "allow"
    assert asking.pay(1, "39.999999999").effect == "allow"
    refused = asking.pay(2, "0.000000001")
    assert (refused.effect, refused.retry_at) == ("throttle", asking.at(60))
    assert "100 USD taken, 0.000000001 USD asked" in refused.reasons[0]["text"]
    assert set(Admission.objects.values_list("key", flat=True)) == {"splitting/money//USD/talent"}


def test_what_no_window_reaches_is_pruned(asking: Asking) -> None:
    asking.mail(0, "a")
    asking.mail(10, "b")
    assert limits.prune(now=asking.at(70), longest=timedelta(hours=1)) == 2
    assert not Distinct.objects.exists()


def test_publishing_resets_no_guard(installation: Installation, asking: Asking) -> None:
    asking.mail(0, "a", "b")
    text = POLICY.replace("max: 2", "max: 3")
    apply_document(text=text, by=installation.admin, now=sql.now(), dry_run=False)
    assert asking.mail(1, "c").effect == "allow"
    assert asking.mail(2, "d").effect == "throttle"
