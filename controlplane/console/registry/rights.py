"""What a person can do, in words (semantics 12)."""

from __future__ import annotations

from typing import Final

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from approvals.models import Queue
from approvals.permissions import BREAK_GLASS
from costs.permissions import PRICE
from registry.models import Agent, Team, TeamUserRight, User
from registry.states import Role

_ROLES: Final = {
    Role.ADMIN: (
        "Sees everything but payloads, which need break-glass.",
        "Registers, pauses and stops every agent; publishes policies; manages people, teams and verbs.",
    ),
    Role.OPERATOR: ("Sees agents, runs, decisions and costs of the teams below, without payloads.",),
    Role.OWNER: ("Sees the agents below with their payloads; pauses them, issues their keys, proposes transfers.",),
    Role.REVIEWER: ("Sees what the queues below hold, and its bytes while it is open.",),
    Role.AUDITOR: ("Sees everything as digests, and the whole audit trail. Changes nothing.",),
}


def can_do(user: User) -> SafeString | str:
    """Say what a person can do now."""
    if not user.is_active:
        return "Nothing: the account is deactivated."
    lines = list(_ROLES[Role(user.role)])
    if user.role == Role.OPERATOR:
        operated = list(Team.objects.operated_by(user).values_list("slug", flat=True))
        lines.append(f"Operates the agents of {_joined(operated, 'no team')}.")
        published = list(Team.objects.published_by(user).values_list("slug", flat=True))
        if published:
            lines.append(f"Publishes policies over the agents of {_joined(published, '')}.")
    owned = list(Agent.objects.filter(owner=user).order_by("slug").values_list("slug", flat=True)[:20])
    if owned:
        lines.append(f"Owns {_joined(owned, '')}.")
    if BREAK_GLASS.held_by(user):
        lines.append("May break the glass: approve alone, with a reason.")
    if user.role == Role.OPERATOR and PRICE.held_by(user):
        lines.append("Prices usage.")
    queues = sorted(Queue.objects.reviewed_by(user).values_list("slug", flat=True))
    lines.append(f"Votes in {_joined(queues, 'no queue')}." if queues else "Votes in no queue.")
    return _lines(lines)


def team_rights(team: Team) -> SafeString | str:
    """Name the members of a team, each with what they may do there."""
    members = list(team.members.order_by("username"))
    rights = TeamUserRight.objects.filter(content_object=team).values_list("user_id", "permission__codename")
    held: dict[int, set[str]] = {}
    for user_id, right in rights:
        held.setdefault(user_id, set()).add(right)
    words = {"operate_team": "operates", "publish_team": "publishes"}
    lines = []
    for member in members:
        does = [word for right, word in words.items() if right in held.get(member.pk, ())] or ["sees"]
        note = "" if member.is_active else ", deactivated"
        lines.append(f"{member.username}: {member.get_role_display().lower()}, {' and '.join(does)}{note}")
    return _lines(lines) if lines else "nobody"


def _joined(words: list[str], empty: str) -> str:
    return ", ".join(words) or empty


def _lines(lines: list[str]) -> SafeString:
    return format_html_join("", "<div>{}</div>", ((line,) for line in lines))
