"""Which dialogs an agent's page offers, to whom, in which state."""

from __future__ import annotations

from controlplane.console.admins import Button, page_of
from controlplane.console.dialogs import Subpage
from controlplane.console.registry.agent_dialogs import AgentDialog, Contain, Kill, Pause, Resume, Retire
from controlplane.console.registry.agent_forms import Accept, Decline, Edit, Revert, Transfer
from controlplane.console.registry.agent_work import (
    Dispatch,
    Draft,
    Issue,
    RollBack,
    ShowCallbackSecret,
    Start,
    Stop,
)
from controlplane.console.registry.releases import ReleasesOf
from registry.models import Agent

_OPERATORS = "Operators of the agent's team and administrators may do this."
_OWNERS = "Operators of the agent's team, its owner and administrators may do this."
MAIN: tuple[tuple[str, type[AgentDialog]], ...] = (("pause", Pause), ("resume", Resume))
MORE: tuple[tuple[str, type[AgentDialog]], ...] = (
    ("edit", Edit),
    ("transfer", Transfer),
    ("start", Start),
    ("stop", Stop),
    ("dispatch", Dispatch),
    ("issue-key", Issue),
    ("callback-secret", ShowCallbackSecret),
    ("draft", Draft),
    ("kill", Kill),
    ("contain", Contain),
    ("retire", Retire),
)
DIALOGS: dict[str, type[Subpage]] = {
    **dict(MAIN),
    **dict(MORE),
    "roll-back": RollBack,
    "accept": Accept,
    "decline": Decline,
    "revert": Revert,
    "releases": ReleasesOf,
}


def buttons_of(agent: Agent, *, operates: bool, owns: bool) -> tuple[tuple[Button, ...], tuple[Button, ...]]:
    """Return the first buttons of an agent's page, and the others; what is not theirs is disabled with the reason."""
    return (_buttons(MAIN, agent, operates, owns), _buttons(MORE, agent, operates, owns))


def _buttons(
    kinds: tuple[tuple[str, type[AgentDialog]], ...], agent: Agent, operates: bool, owns: bool
) -> tuple[Button, ...]:
    return tuple(
        Button(
            kind.label.format(agent.slug),
            page_of(agent, word),
            kind.tone,
            "" if operates or (owns and kind.owners) else (_OWNERS if kind.owners else _OPERATORS),
        )
        for word, kind in kinds
        if agent.state in kind.states
    )
