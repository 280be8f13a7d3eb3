"""The approval page: would I sign exactly this?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from approvals.amounts import amount_to_confirm, money_of
from approvals.models import ActionRevision, ApprovalRequest, Escalation, Grant, Override, Queue, Vote
from approvals.operations import read_bytes
from approvals.permissions import (
    may_break_glass,
    may_cancel,
    may_read_bytes,
    may_revoke,
    obstacle_to_vote,
    require_edit,
)
from approvals.quorum import Count, count
from approvals.states import ApprovalState, GrantState
from audit.refusals import Refusal
from controlplane.console import formats, text
from controlplane.console.admins import Button, list_of, page_of
from controlplane.console.approvals.beside import (
    Alike,
    Neighbours,
    neighbours,
    read_alike,
    together,
    votes_at_a_glance,
    waiting_for,
)
from controlplane.console.approvals.bytes import Bytes, Change, hidden_note, read_change, shown
from controlplane.console.approvals.marks import Marked, read_marks
from controlplane.console.approvals.reach import radius_of, reach_of, read_by_now, summary_of
from controlplane.console.registry.allowances import limits_on
from policies.language import parse
from policies.snapshots import published
from registry.models import Agent, User
from registry.states import Role
from runs.models import Run


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote; `counts` where it is about the present revision."""

    voter: str
    verdict: str
    comment: str
    at: datetime
    revision: int
    counts: bool


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One revision: who wrote it, and what it changed where the person may read it."""

    number: int
    author: str
    at: datetime
    digest: str
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPage:
    """Everything that the page shows.

    Attributes:
        heading: who asks for what.
        target: whom it would reach, in words.
        agent_url: of the agent's page, empty where it is not theirs to see; the decision's likewise.
        bytes: what will be executed; None where this person may not read it.
        marked: the same in lines, with what matters marked; None likewise.
        hidden: what stands there instead.
        obstacle: why this person may not vote; empty where they may.
        risk: the tier: where the bytes are readable that of now, else that of when they were written.
        radius: whom and what it reaches, in one line.
        read_by: who else opened it within the last two minutes.
        ended: how the alike ones ended, in one line.
        escalated: to which queues it was escalated.
        overruled_by: who approved it under break-glass, or empty.
        typed: the amount that an approval has to type, or empty.
        alike: the last requests like this one, the newest first, with what came of them.
        near: the requests before and after it that wait for this person.
        marks: who says that it should have been approved or rejected, and why.
        quick: whether this person's last ten votes came at a glance.
        run_url: of the run that it belongs to, empty where it is not theirs to see or there is none.
        limits: what is left of the limits on this verb while it waits: policy, rule, words.
        call: the tool that the agent's framework runs, and on which server; empty for every other action.
        task, purpose: the agent's own words, untrusted.
        buttons: what this person may do while it is open.
        more: what else they may do.
        is_open: whether anything can still be decided.
    """

    heading: str
    target: str
    agent: str
    agent_url: str
    agent_state: str
    enforcement: str
    team: str
    environment: str
    verb: str
    state: str
    is_open: bool
    overdue: bool
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    revision: int
    digest: str
    bytes: Bytes | None
    marked: Marked | None
    hidden: str
    units: int
    amount: str
    data_classes: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    reasons: tuple[dict[str, Any], ...]
    queues: tuple[Count, ...]
    votes: tuple[Ballot, ...]
    revisions: tuple[RevisionLine, ...]
    obstacle: str
    limits: tuple[tuple[str, str, str], ...]
    call: str
    task: str
    purpose: str
    decision_url: str
    version: int | None
    grant_state: str
    grant_until: datetime | None
    overruled_by: str
    risk: str
    radius: str
    read_by: tuple[str, ...]
    ended: str
    escalated: tuple[str, ...]
    typed: str
    alike: tuple[Alike, ...]
    near: Neighbours
    marks: tuple[Override, ...]
    quick: bool
    run_url: str
    buttons: tuple[Button, ...]
    more: tuple[Button, ...]

    @property
    def missing(self) -> int:
        """How many approvals are still needed, over all queues."""
        return sum(max(0, queue.need - queue.have) for queue in self.queues)


def read_approval(request: ApprovalRequest, *, user: User, now: datetime) -> ApprovalPage:
    """Read the page; where the person may see the bytes, this opens them, which is audited.

    Args:
        request: visible to the person; agent, team and decision are joined.
        user: who looks.
        now: aware UTC.
    """
    queues = list(request.queues.all())
    readable = may_read_bytes(request, user)
    if readable:
        read_bytes(request=request, by=user, now=now)
    revisions = list(ActionRevision.objects.filter(request=request).select_related("author"))
    current = revisions[-1]
    decision = request.decision
    facts = current.facts
    grant = Grant.objects.filter(approval=request).first()
    is_open = request.is_open(now)
    obstacle = ""
    if is_open:
        obstacle = obstacle_to_vote(request, user, author_id=current.author_id, queues=queues)
    body = bytes(current.body)
    # Where it goes is part of what is hidden: whoever may not read the bytes gets the number.
    target = _target(facts) if readable else formats.plural(len(facts["destinations"]), "destination")
    waiting = waiting_for(user, now=now) if is_open else []
    typed = amount_to_confirm(queues, facts)
    marked = read_marks(request, current) if readable else None
    alike = read_alike(request, user)
    sees_agent = user.role != Role.REVIEWER and Agent.objects.visible_to(user).filter(pk=request.agent_id).exists()
    return ApprovalPage(
        heading=f"{request.agent.slug} asks to {decision.verb}",
        target=target,
        agent=request.agent.slug,
        agent_url=page_of(request.agent) if sees_agent else "",
        agent_state=request.agent.state,
        enforcement=request.agent.enforcement,
        team=request.team,
        environment=decision.environment,
        verb=decision.verb,
        state=request.state,
        is_open=is_open,
        overdue=request.state == ApprovalState.PENDING and not is_open,
        created_at=request.created_at,
        expires_at=request.expires_at,
        closed_at=request.closed_at,
        revision=current.number,
        digest=current.digest,
        bytes=shown(body) if readable else None,
        marked=marked,
        hidden="" if readable else hidden_note(body, current.digest, is_open=is_open),
        units=facts["units"],
        amount=_amount(facts) if readable else "",
        data_classes=tuple(facts["data_classes"]),
        # A pointer names members of the payload.
        provenance=tuple(sorted(facts["provenance"].items())) if readable else (),
        reasons=tuple(current.reasons),
        queues=tuple(count(request, queues=queues, author_id=current.author_id)),
        votes=_votes(request, current.number),
        revisions=_revisions(revisions, readable=readable),
        obstacle=obstacle,
        limits=_limits(request, now) if is_open else (),
        call=_call(facts),
        task=facts["task"],
        purpose=facts["purpose"],
        decision_url=page_of(decision) if sees_agent else "",
        version=decision.version,
        grant_state=grant.state if grant else "",
        grant_until=grant.expires_at if grant and grant.state == GrantState.ISSUED else None,
        overruled_by=request.overridden_by.username if request.overridden_by else "",
        risk=marked.risk.tier if marked else request.risk,
        radius=radius_of(facts, new=marked.new) if marked else "",
        read_by=read_by_now(request, user, now=now) if is_open else (),
        ended=summary_of((each.state for each in alike), wrong=sum(bool(each.should) for each in alike)),
        escalated=tuple(Escalation.objects.filter(request=request).values_list("to__slug", flat=True)),
        typed=str(typed) if typed and readable else "",
        alike=alike,
        near=neighbours(request, waiting),
        marks=tuple(Override.objects.filter(decision=request.decision_id).select_related("by")),
        quick=is_open and not obstacle and votes_at_a_glance(user),
        run_url=_run_url(request, user) if sees_agent else "",
        buttons=_buttons(request, current, user, queues, obstacle, target) if is_open and readable else (),
        more=_more(request, grant, user, together(request, waiting) if readable and not obstacle else 0, now=now),
    )


def _limits(request: ApprovalRequest, now: datetime) -> tuple[tuple[str, str, str], ...]:
    live = published()
    return limits_on(parse(live.document), request.agent, verb=request.decision.verb, now=now) if live else ()


def _target(facts: dict[str, Any]) -> str:
    places, units = len(facts["destinations"]), facts["units"]
    going = [_amount(facts), reach_of(facts) if places else ""]
    parts = [" to ".join(part for part in going if part), f"{units} units" if units != max(places, 1) else ""]
    return ", ".join(part for part in parts if part) or reach_of(facts)


def _call(facts: dict[str, Any]) -> str:
    call = facts.get("call")
    if call is None:
        return ""
    return f"{call['tool']} on {call['server']}" if call["server"] else str(call["tool"])


def _amount(facts: dict[str, Any]) -> str:
    amount = money_of(facts)
    return formats.amount(amount) if amount else ""


def _votes(request: ApprovalRequest, revision: int) -> tuple[Ballot, ...]:
    rows = Vote.objects.filter(request=request).select_related("voter").order_by("-at")
    return tuple(
        Ballot(row.voter.username, row.verdict, row.comment, row.at, row.revision, row.revision == revision)
        for row in rows
    )


def _revisions(rows: Sequence[ActionRevision], *, readable: bool) -> tuple[RevisionLine, ...]:
    lines = []
    for place, row in enumerate(rows):
        change = None
        if readable and place:
            change = read_change(bytes(rows[place - 1].body), bytes(row.body), rows[place - 1].facts, row.facts)
        author = row.author.username if row.author else "the agent"
        lines.append(RevisionLine(row.number, author, row.at, row.digest, change))
    return tuple(reversed(lines))


def _run_url(request: ApprovalRequest, user: User) -> str:
    run = Run.objects.visible_to(user).filter(pk=request.decision.run_id).first() if request.decision.run_id else None
    return page_of(run) if run else ""


def _more(
    request: ApprovalRequest, grant: Grant | None, user: User, alike: int, *, now: datetime
) -> tuple[Button, ...]:
    """Offer what stands apart from the vote: several at once, cancelling, break-glass, revoking, marking."""
    found = []
    if request.is_open(now):
        if alike:
            label = f"Approve up to {alike} alike…"
            found.append(Button(label, f"{list_of(ApprovalRequest)}do/bulk/?like={request.pk}"))
        if may_cancel(request, user):
            found.append(Button("Cancel the request…", page_of(request, "cancel"), "danger"))
        if may_break_glass(request, user):
            found.append(Button("Break the glass…", page_of(request, "break-glass"), "danger"))
    elif request.state != ApprovalState.PENDING:
        found.append(Button("It should have been…", page_of(request, "override")))
    if grant is not None and grant.state == GrantState.ISSUED and may_revoke(grant, user):
        found.append(Button("Revoke the grant…", page_of(request, "revoke"), "danger"))
    return tuple(found)


def _buttons(
    request: ApprovalRequest,
    current: ActionRevision,
    user: User,
    queues: Sequence[Queue],
    obstacle: str,
    target: str,
) -> tuple[Button, ...]:
    query = f"?revision={current.number}&digest={current.digest}"
    try:
        require_edit(request, user, queues=queues, facts=current.facts)
        no_edit = ""
    except Refusal as refusal:
        no_edit = refusal.detail
    joined = "of" if current.facts["amount"] else "to"
    votes = (
        Button(f"Approve: {request.decision.verb} {joined} {target}", page_of(request, "approve") + query, "main"),
        Button("Reject…", page_of(request, "reject") + query, "danger"),
    )
    edit = Button("Edit…", page_of(request, "edit") + query, obstacle=no_edit)
    # Without a vote to cast there are no buttons that could not be pressed: the obstacle says why.
    return (*(() if obstacle else votes), *(() if no_edit else (edit,)))


def editable(current: ActionRevision) -> dict[str, Any]:
    """Return what the edit form holds at first: the fields of the canonical action."""
    value = json.loads(bytes(current.body))
    amount = value["amount"] or {}
    return {
        "destination": value["destination"] or "",
        "units": value["units"],
        "amount_value": amount.get("value", ""),
        "amount_currency": amount.get("currency", ""),
        "payload": text.escaped(text.pretty(value["payload"])),
        "data_classes": ", ".join(current.facts["declared_data_classes"]),
    }
