"""The decision page: why?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Sum

from approvals.models import ApprovalRequest, Grant, Override
from approvals.operations.afterwards import may_override
from audit.refusals import Missing
from controlplane.console.admins import Button, list_of, page_of
from controlplane.console.policies import copying
from controlplane.console.policies.revision_page import DRAFTERS
from controlplane.gateway.bodies import AskBody
from controlplane.gateway.trying import Tried, declared_body, judge_as_then, try_again
from costs.models import Reservation
from policies.demands import money_or_units
from policies.explaining import Near
from policies.models import Admission, Decision, Revision
from policies.reasons import CATALOGUE
from policies.snapshots import verbs_in_force
from policies.states import Effect
from registry.models import Agent, User

_MOST_LIMITS: Final = 10


@dataclass(frozen=True, slots=True)
class Why:
    """One reason: which rule spoke, what it said, who can change it."""

    policy: str
    rule: str
    code: str
    text: str
    changed_by: str


@dataclass(frozen=True, slots=True)
class LimitThen:
    """How a limit stood at the moment of the decision.

    Attributes:
        taken: what its window held, without this decision's.
        window: length of the window.
        currency: of a sum of money, whose figures are billionths; empty for units.
    """

    policy: str
    rule: str
    by: str
    units: int
    taken: int
    maximum: int
    window: timedelta
    currency: str = ""

    @property
    def left(self) -> int:
        """What it still admitted."""
        return max(0, self.maximum - self.taken)

    @property
    def figures(self) -> dict[str, str]:
        """What was left, admitted and asked, as people read it."""
        figures = {"left": self.left, "maximum": self.maximum, "units": self.units}
        return {name: money_or_units(number, self.currency) for name, number in figures.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """One fact as the agent declared it, beside what counted after extraction."""

    name: str
    declared: str
    counted: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody says it should have been."""

    should: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPage:
    """Everything that the page shows.

    Attributes:
        lead: the first reason, in a sentence.
        would_have: what shadow policies would have said: policy, effect, sentences.
        task, step, purpose: the agent's own words, untrusted.
        followed: what came of it: approvals and grants, as (kind, state, address, time).
        near: rules that came nearest, judged by the revision of then; empty for an allow.
        erased: whether the payload is gone, so that nothing can be judged again.
        again: what the policies of now would say; None where that was not asked.
        obligations: what the agent had to do besides: obligation, policy, rule.
        set_aside: what budgets set aside: budget, nano-USD, state.
    """

    heading: str
    effect: str
    lead: str
    reasons: tuple[Why, ...]
    would_have: tuple[tuple[str, str, str], ...]
    agent: str
    agent_url: str
    team: str
    environment: str
    version: int | None
    policy_revision: int
    policy_url: str
    verb: str
    capability: str
    destinations: tuple[str, ...]
    units: int
    amount: str
    data_classes: tuple[str, ...]
    pairs: tuple[Pair, ...]
    provenance: tuple[tuple[str, str], ...]
    limits: tuple[LimitThen, ...]
    obligations: tuple[tuple[str, str, str], ...]
    set_aside: tuple[tuple[str, int, str], ...]
    near: tuple[Near, ...]
    erased: bool
    again: Tried | None
    copies: copying.Copies | None
    marks: tuple[Mark, ...]
    buttons: tuple[Button, ...]
    digest: str
    key: str
    idempotency_key: str
    task: str
    step: str
    purpose: str
    estimate_nanousd: int | None
    dry_run: bool
    at: datetime
    retry_at: datetime | None
    decision_id: str
    followed: tuple[tuple[str, str, str, datetime], ...]


def read_decision(decision: Decision, *, user: User, now: datetime, again: bool = False) -> DecisionPage:
    """Read the page.

    Args:
        decision: agent and executor are joined.
        user: who looks.
        now: aware UTC.
        again: whether it is judged by the policies of now as well.
    """
    reasons = tuple(_why(reason) for reason in decision.reasons)
    revision = Revision.objects.filter(number=decision.policy_revision).first()
    body, then = _judged_then(decision)
    return DecisionPage(
        heading=f"{decision.agent.slug}: {decision.verb}",
        effect=decision.effect,
        lead=reasons[0].text if reasons else "",
        reasons=reasons,
        would_have=tuple(
            (item["policy"], item["effect"], " ".join(reason["text"] for reason in item["reasons"]))
            for item in decision.would_have
        ),
        agent=decision.agent.slug,
        agent_url=_agent_url(decision.agent, user),
        team=decision.team,
        environment=decision.environment,
        version=decision.version,
        policy_revision=decision.policy_revision,
        policy_url=page_of(revision) if revision else "",
        verb=decision.verb,
        capability=decision.capability,
        destinations=tuple(decision.destinations),
        units=decision.units,
        amount=_amount(decision),
        data_classes=tuple(decision.data_classes),
        pairs=_pairs(decision, body),
        provenance=tuple(sorted(body.provenance.items())) if body else (),
        limits=_limits(decision, then),
        obligations=tuple(
            (f"{each['name']}:{each['value']}", each["policy"], each["rule"]) for each in decision.obligations
        ),
        set_aside=_set_aside(decision),
        near=then.near if then and decision.effect != Effect.ALLOW else (),
        erased=body is None,
        again=try_again(decision=decision, now=now) if again and body else None,
        copies=_copies(decision, body),
        marks=_marks(decision),
        buttons=_buttons(decision, user),
        digest=decision.digest,
        key=decision.key_id,
        idempotency_key=decision.idempotency_key,
        task=decision.task,
        step=decision.step,
        purpose=decision.purpose,
        estimate_nanousd=decision.estimated_cost_nanousd,
        dry_run=decision.dry_run,
        at=decision.at,
        retry_at=decision.retry_at,
        decision_id=str(decision.pk),
        followed=_followed(decision),
    )


def _why(reason: dict[str, Any]) -> Why:
    entry = CATALOGUE.get(reason["code"])
    return Why(
        reason["policy"] or "", reason["rule"] or "", reason["code"], reason["text"], entry.changed_by if entry else ""
    )


def _agent_url(agent: Agent, user: User) -> str:
    return page_of(agent) if Agent.objects.visible_to(user).filter(pk=agent.pk).exists() else ""


def _amount(decision: Decision) -> str:
    if decision.amount_value is None:
        return ""
    return f"{decision.amount_value.normalize():f} {decision.amount_currency}"


def _judged_then(decision: Decision) -> tuple[AskBody | None, Tried | None]:
    try:
        body = declared_body(decision)
    except Missing:
        return None, None
    try:
        return body, judge_as_then(decision=decision)
    except Missing:
        return body, None


def _pairs(decision: Decision, body: AskBody | None) -> tuple[Pair, ...]:
    """Put what was declared beside what counted; the payload itself is not among it."""
    if body is None:
        return ()
    amount = f"{body.amount.value} {body.amount.currency}" if body.amount else ""
    rows = (
        ("Capability", body.capability or "", decision.capability),
        ("Destination", body.destination or "", ", ".join(decision.destinations)),
        ("Units", "" if body.units is None else str(body.units), str(decision.units)),
        ("Amount", amount, _amount(decision)),
        ("Data classes", ", ".join(body.data_classes), ", ".join(decision.data_classes)),
        ("Data scopes", "" if body.data_scopes is None else ", ".join(body.data_scopes) or "none", ""),
    )
    return tuple(Pair(name, declared or "not declared", counted or "–") for name, declared, counted in rows)


def _limits(decision: Decision, then: Tried | None) -> tuple[LimitThen, ...]:
    """Count each limit's window as it was: admissions are kept past the longest window.

    Of distinct values only the last meeting is kept, so what a window held then is not known any more.
    """
    if then is None:
        return ()
    found = []
    for demand in [each for each in then.verdict.limits if not each.values][:_MOST_LIMITS]:
        window = timedelta(seconds=demand.window_seconds)
        rows = Admission.objects.filter(key=demand.key, at__gt=decision.at - window, at__lte=decision.at)
        taken = rows.exclude(decision_id=decision.pk).aggregate(units=Sum("units"))["units"] or 0
        found.append(
            LimitThen(
                demand.policy,
                demand.rule,
                demand.by_value,
                demand.units,
                taken,
                demand.maximum,
                window,
                demand.currency,
            )
        )
    return tuple(found)


def _set_aside(decision: Decision) -> tuple[tuple[str, int, str], ...]:
    rows = Reservation.objects.filter(decision_id=decision.pk).order_by("id")
    return tuple(rows.values_list("budget__slug", "amount_nanousd", "state"))


def _copies(decision: Decision, body: AskBody | None) -> copying.Copies | None:
    if body is None:
        return None
    destinations = list(decision.destinations)
    told = copying.without_payload(body, verbs_in_force().get(decision.verb), destinations)
    return copying.Copies(
        copying.as_rule(verb=decision.verb, destinations=destinations, units=decision.units),
        copying.as_test(told, agent=decision.agent.slug, effect=decision.effect, at=decision.at),
        copying.as_call(told, url=f"{settings.PUBLIC_URL}/api/v1/actions"),
    )


def _marks(decision: Decision) -> tuple[Mark, ...]:
    rows = Override.objects.filter(decision=decision).select_related("by")
    return tuple(Mark(row.should, row.reason, row.by.username, row.at) for row in rows)


def _buttons(decision: Decision, user: User) -> tuple[Button, ...]:
    found = []
    # A rule more permits what none permitted; what people look at, or an agent asked wrongly, stays so.
    if any(reason["code"] == "no_rule" for reason in decision.reasons) and user.role in DRAFTERS:
        found.append(Button("Draft a rule…", f"{list_of(Revision)}do/draft/?decision={decision.pk}"))
    if user.is_active and may_override(decision, user):
        found.append(Button("It should have been…", page_of(decision, "override")))
    return tuple(found)


def _followed(decision: Decision) -> tuple[tuple[str, str, str, datetime], ...]:
    approvals = ApprovalRequest.objects.filter(decision=decision).order_by("id")
    grants = Grant.objects.filter(decision=decision).order_by("id")
    return (
        *(("approval", row.state, page_of(row), row.created_at) for row in approvals),
        *(("grant", row.state, page_of(row), row.issued_at) for row in grants),
    )
