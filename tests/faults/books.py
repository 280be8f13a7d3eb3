"""The audit after the kills: what was promised stands, nothing stands twice, and the sums agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from approvals.models import ApprovalRequest, Grant, Vote
from audit import chain, sql
from audit.models import Entry, Seal
from audit.operations import seal
from costs.models import BudgetPeriod, CostRollup, Reservation, Usage
from costs.operations import roll_up
from costs.periods import Period
from costs.settlement import recount
from costs.states import ReservationState
from policies.models import Admission, Decision, Payload
from runs.models import Run, Step

Promise = dict[str, Any]
_USED = {"redeemed", "succeeded", "failed", "outcome_unknown"}


@dataclass(slots=True)
class Findings:
    """What the audit found.

    Attributes:
        acknowledged: promises that were checked.
        lost: of these, what is not there.
        doubled: what is there twice.
        wrong: sums, chains and files that do not agree.
    """

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def exactly(self, count: int, wanted: int, what: str) -> None:
        """Note what is there too seldom or too often."""
        if count < wanted:
            self.lost.append(f"{what}: {count} and not {wanted}")
        elif count > wanted:
            self.doubled.append(f"{what}: {count} and not {wanted}")

    def equal(self, one: Any, other: Any, what: str) -> None:
        """Note what differs."""
        if one != other:
            self.wrong.append(f"{what}: {one} is not {other}")


def check(promises: Iterable[Promise], abandoned: Iterable[str]) -> Findings:
    """Hold the ledger against the database.

    Args:
        promises: acknowledged writes.
        abandoned: keys of asks of which nobody knows whether they were answered.
    """
    found = Findings()
    _promises(list(promises), found)
    for key in abandoned:
        if Decision.objects.filter(idempotency_key=key).count() > 1:
            found.doubled.append(f"abandoned ask {key}")
    _decisions(found)
    _grants(found)
    _money(found)
    _trail(found)
    return found


def _promises(promises: list[Promise], found: Findings) -> None:
    found.acknowledged = len(promises)
    decisions = {str(row.pk): row for row in Decision.objects.all()}
    by_key = Counter(row.idempotency_key for row in decisions.values())
    grants = {str(row.decision_id): row for row in Grant.objects.all()}
    requests = dict(ApprovalRequest.objects.values_list("pk", "state"))
    votes = Counter(Vote.objects.values_list("request_id", flat=True))
    runs, steps = (Counter(model.objects.values_list("event_id", flat=True)) for model in (Run, Step))
    usage = Counter(Usage.objects.values_list("event_id", flat=True))
    for each in promises:
        kind, what = each["kind"], str(each)
        if kind == "ask":
            row = decisions.get(each["id"])
            found.exactly(by_key[each["key"]], 1, what)
            found.exactly(int(row is not None and row.effect == each["effect"]), 1, what)
        elif kind in {"redeem", "outcome"}:
            grant = grants.get(each["action"])
            states = _USED if kind == "redeem" else {"succeeded"}
            found.exactly(int(grant is not None and grant.state in states), 1, what)
            if kind == "redeem" and grant is not None and grant.redeem_key != each["key"]:
                found.lost.append(f"{what}: redeemed by {grant.redeem_key}")
        elif kind in {"approved", "cancelled"}:
            found.exactly(int(requests.get(UUID(each["approval"])) == kind), 1, what)
        elif kind == "vote":
            found.exactly(int(votes[UUID(each["approval"])] >= 1), 1, what)
        elif kind == "ingest":
            found.exactly(runs[each["run"]], 1, what)
            for step in each["steps"]:
                found.exactly(steps[step], 1, what)
                found.exactly(usage[step], 1, f"usage of {what}")


def _entries(*kinds: str) -> Counter[str]:
    return Counter(Entry.objects.filter(kind__in=kinds).values_list("object_id", flat=True))


def _decisions(found: Findings) -> None:
    """Every decision is whole: its payload, its entry, its grant, what it took, and none of it twice."""
    told = _entries("action.decided", "action.simulated")
    payloads = Counter(Payload.objects.values_list("pk", flat=True))
    admitted = Counter(Admission.objects.values_list("decision_id", "key"))
    reserved = Counter(Reservation.objects.values_list("decision_id", "budget_id"))
    used = set(Grant.objects.filter(state__in=_USED).values_list("decision_id", flat=True))
    granted = Counter(Grant.objects.values_list("decision_id", flat=True))
    known = set()
    for row in Decision.objects.all():
        known.add(row.pk)
        found.exactly(told[str(row.pk)], 1, f"entry of {row.pk}")
        found.exactly(payloads[row.pk], 1, f"payload of {row.pk}")
        takes = (row.effect == "allow" or row.pk in used) and not row.dry_run
        if row.effect == "allow" and not row.dry_run:
            found.exactly(granted[row.pk], 1, f"grant of {row.pk}")
        limits = {"form.submit": 1, "email.send": 2, "note.add": 1}.get(row.verb, 0) if takes else 0
        found.exactly(sum(n for (pk, _), n in admitted.items() if pk == row.pk), limits, f"admissions of {row.pk}")
        found.exactly(sum(n for (pk, _), n in reserved.items() if pk == row.pk), 2 * takes, f"reserves of {row.pk}")
    strays = {pk for pk, _ in (*admitted, *reserved)} - known
    if strays or set(granted) - known:
        found.wrong.append(f"taken or granted without a decision: {strays}")


def _grants(found: Findings) -> None:
    """Each step of a grant's and a request's life has one entry."""
    redeemed, succeeded = _entries("grant.redeemed"), _entries("grant.succeeded")
    for grant in Grant.objects.all():
        # A grant that is born redeemed has no key, and no entry of its own for that.
        found.exactly(redeemed[str(grant.pk)], int(bool(grant.redeem_key)), f"redemption of {grant.pk}")
        found.exactly(succeeded[str(grant.pk)], int(grant.state == "succeeded"), f"outcome of {grant.pk}")
    approved = _entries("approval.approved")
    grants = Counter(Grant.objects.values_list("approval_id", flat=True))
    for pk in ApprovalRequest.objects.filter(state="approved").values_list("pk", flat=True):
        found.exactly(approved[str(pk)], 1, f"entry approval.approved of {pk}")
        found.exactly(grants[pk], 1, f"grant of approval {pk}")


def _money(found: Findings) -> None:
    while roll_up(now=sql.now()):
        pass
    for row in BudgetPeriod.objects.select_related("budget"):
        held = Reservation.objects.filter(budget_period=row, state=ReservationState.HELD)
        set_aside = held.aggregate(sum=Sum("amount_nanousd"))["sum"] or 0
        found.equal(row.reserved_nanousd, set_aside, f"set aside in {row.pk}")
        spent = recount(row.budget, Period(row.starts_at, row.ends_at))
        found.equal(row.settled_nanousd, spent, f"spent in {row.pk}")
    raw = sum(Usage.objects.values_list("cost_nanousd", flat=True))
    for grain in ("hour", "day"):
        rolled = sum(CostRollup.objects.filter(grain=grain).values_list("cost_nanousd", flat=True))
        found.equal(rolled, raw, f"sums by {grain}")


def _trail(found: Findings) -> None:
    while seal(now=sql.now(), everything=True):
        pass
    finding = chain.check(chain.stored_links())
    found.equal(str(finding.verdict), "intact", f"the trail ({finding.detail})")
    found.equal(Seal.objects.count(), Entry.objects.count(), "sealed entries")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            found.equal(cursor.fetchall(), [("ok",)], "integrity_check")
            cursor.execute("PRAGMA foreign_key_check")
            found.equal(cursor.fetchall(), [], "foreign_key_check")
