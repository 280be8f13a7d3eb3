"""Who asks for each page, and for which row, where it is not the administrator for the first there is.

A page is asked for as somebody to whom it shows its real form: a reviewer who opened the bytes, whoever may break the
glass, whoever has a second factor. What a page cannot do without is named here, so that a page without it is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession

from approvals.models import ApprovalRequest, Grant
from approvals.operations.opening import current_revision
from approvals.states import ApprovalState, GrantState
from policies.models import Replay, Revision
from policies.states import ReplayState, RevisionState
from registry.models import Agent, AgentTransfer, KillExemption, KillSwitch, SavedView, Verb
from runs.models import Step
from tests.controlplane.console.occasions import GLASS, SECURED
from tests.controlplane.console.ways_in import Way

ADMIN, OPERATOR, REVIEWER, APPROVER = "admin", "talent-operator", "talent-reviewer", "second-reviewer"


def _nothing(row: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How one page is asked for.

    Attributes:
        who: user name.
        way: how far they are in.
        row: finds what the address names, None where there is none; left out: the first row of the page's model.
        query: what the address carries, of that row; None where there is nothing to carry.
    """

    who: str = ADMIN
    way: Way = Way.IN
    row: Callable[[], Any] | None = None
    query: Callable[[Any], Mapping[str, Any] | None] = _nothing


def _held() -> ApprovalRequest | None:
    return ApprovalRequest.objects.open().order_by("id").first()


def _seen(held: ApprovalRequest) -> dict[str, Any]:
    return {"revision": held.revision, "digest": current_revision(held).digest}


def _like(_: Any) -> dict[str, Any] | None:
    held = _held()
    return None if held is None else {"like": held.pk}


def _closed(state: ApprovalState) -> Callable[[], ApprovalRequest | None]:
    return lambda: ApprovalRequest.objects.filter(state=state).order_by("id").first()


def _grant(state: GrantState) -> Callable[[], Grant | None]:
    return lambda: Grant.objects.filter(state=state).order_by("pk").first()


def _draft() -> Revision | None:
    return Revision.objects.filter(state=RevisionState.DRAFT).order_by("pk").first()


def _waiting_replay() -> Replay | None:
    return Replay.objects.filter(state=ReplayState.QUEUED).order_by("pk").first()


def _proposed() -> Agent | None:
    return Agent.objects.filter(pk__in=AgentTransfer.objects.open().values("agent")).order_by("pk").first()


def _record(row: Any) -> dict[str, Any] | None:
    """Name what the row said at first, where it says something else by now."""
    records = list(row.history.order_by("history_id").values_list("history_id", flat=True))
    return {"to": records[0]} if len(records) > 1 else None


def _verb() -> Verb | None:
    return Verb.objects.filter(name="report.read").first()


def _open_switch() -> KillSwitch | None:
    found = KillExemption.objects.order_by("pk").select_related("switch").first()
    return None if found is None else found.switch


def _let_out(switch: KillSwitch) -> dict[str, Any]:
    return {"agent": KillExemption.objects.filter(switch=switch).order_by("pk")[0].agent.slug}


def _step(_: Any) -> dict[str, Any] | None:
    pk = Step.objects.order_by("pk").values_list("pk", flat=True).first()
    return None if pk is None else {"step": pk}


def _own(model: Any, person: str = SECURED) -> Callable[[], Any]:
    return lambda: model.objects.filter(user__username=person).order_by("pk").first()


def _always(**query: str) -> Callable[[Any], dict[str, str]]:
    return lambda _: dict(query)


_SECURED = Asked(who=SECURED, way=Way.PROVEN)
_HELD = "admin:approvals_approvalrequest_"
_REVISION = "admin:policies_revision_"

ASKED: Final[Mapping[str, Asked]] = {
    # The ways in, and one's own account.
    "account_login": Asked(way=Way.OUT),
    "mfa_authenticate": Asked(who=SECURED, way=Way.HALF),
    "mfa_reauthenticate": Asked(who=SECURED),
    "mfa_reauthenticate_webauthn": Asked(who=SECURED),
    "account": Asked(who=SECURED),
    # The first app is somebody's who has none.
    "account_app": Asked(way=Way.PROVEN),
    "account_passkey": _SECURED,
    "account_codes": _SECURED,
    "account_codes_renew": _SECURED,
    "account_factor_remove": replace(_SECURED, row=_own(Authenticator)),
    "account_session_end": replace(_SECURED, row=_own(UserSession)),
    "account_sessions_end": _SECURED,
    "account_unlink": replace(_SECURED, row=_own(SocialAccount)),
    # Held actions, and what comes out of them.
    f"{_HELD}change": Asked(who=REVIEWER, row=_held),
    f"{_HELD}approve": Asked(who=REVIEWER, row=_held, query=_seen),
    f"{_HELD}reject": Asked(who=REVIEWER, row=_held, query=_seen),
    f"{_HELD}edit": Asked(who=REVIEWER, row=_held, query=_seen),
    f"{_HELD}bulk": Asked(who=REVIEWER, query=_like),
    f"{_HELD}cancel": Asked(row=_held),
    f"{_HELD}break-glass": Asked(who=GLASS, row=_held),
    f"{_HELD}overrule": Asked(who=GLASS, row=_held),
    f"{_HELD}override": Asked(row=_closed(ApprovalState.REJECTED)),
    f"{_HELD}revoke": Asked(who=APPROVER, row=_closed(ApprovalState.APPROVED)),
    "admin:approvals_grant_revoke": Asked(row=_grant(GrantState.ISSUED)),
    "admin:approvals_grant_settle": Asked(row=_grant(GrantState.OUTCOME_UNKNOWN)),
    # Policies.
    "admin:policies_replay_cancel": Asked(row=_waiting_replay),
    f"{_REVISION}publish": Asked(row=_draft),
    f"{_REVISION}edit": Asked(row=_draft),
    f"{_REVISION}discard": Asked(row=_draft),
    # Agents, verbs and switches.
    "admin:registry_agent_accept": Asked(row=_proposed),
    "admin:registry_agent_decline": Asked(row=_proposed),
    "admin:registry_agent_revert": Asked(query=_record),
    "admin:registry_verb_revert": Asked(row=_verb, query=_record),
    "admin:registry_killswitch_put-back": Asked(row=_open_switch, query=_let_out),
    # Pages whose address needs a word more.
    "admin:forget_view": Asked(row=_own(SavedView, ADMIN)),
    "admin:save_view": Asked(query=_always(page="runs.run", query="show=failed")),
    "admin:search": Asked(query=_always(s="job")),
    "admin:runs_run_step": Asked(query=_step),
}
