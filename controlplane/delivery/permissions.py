"""Who may do what with connections (semantics 12): administrators all, operators those of their teams."""

from __future__ import annotations

from audit.actors import Acting
from audit.refusals import Missing
from controlplane.delivery.models import Channel, Delivery, Endpoint
from registry.models import Team
from registry.permissions import may_operate_team, person, require
from registry.states import Role


def may_connect(by: Acting, team: Team | None) -> None:
    """Let pass whoever may have an endpoint for a team's events; for everybody's events, administrators.

    Raises:
        Missing: the team is not theirs to see.
        Forbidden: they do not operate it.
    """
    user = person(by)
    if team is None:
        require(user is None or user.role == Role.ADMIN, "Only administrators connect everybody's events.")
    else:
        may_operate_team(by, team)


def may_manage(by: Acting, endpoint: Endpoint) -> None:
    """Let pass whoever may change an endpoint.

    Raises:
        Missing: it is not theirs to see.
    """
    user = person(by)
    if user is not None and not Endpoint.objects.visible_to(user).filter(pk=endpoint.pk).exists():
        raise Missing


def may_handle(by: Acting, delivery: Delivery) -> None:
    """Let pass whoever may retry or cancel a delivery.

    Raises:
        Missing: it is not theirs to see.
    """
    user = person(by)
    if user is not None and not Delivery.objects.visible_to(user).filter(pk=delivery.pk).exists():
        raise Missing


def may_keep(by: Acting, channel: Channel) -> None:
    """Let pass the person themselves.

    Raises:
        Missing: it is somebody else's.
    """
    user = person(by)
    if user is not None and channel.user_id != user.pk:
        raise Missing
