"""Who does something: the value that every write names as ``by``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, as the trail keeps it.

    Attributes:
        type: ``person``, ``agent`` or ``system``.
        id: stable id within the type (user name, agent slug, task or command name).
        token: public id of the key or token used, empty where there is none.
        on_behalf_of: the id of whom the actor acts for, empty where it is itself.
    """

    type: str
    id: str
    token: str = ""
    on_behalf_of: str = ""


class Acting(Protocol):
    """Anything that can stand as ``by``: a person, an authenticated agent key, a system actor."""

    @property
    def actor(self) -> Actor:
        """The actor that the trail records."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """The installation itself, acting through a task or a command.

    Attributes:
        name: the task's or command's name, for example ``sealer``.
    """

    name: str

    @property
    def actor(self) -> Actor:
        """The actor that the trail records."""
        return Actor(type="system", id=self.name)


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """A task that does what a person asked for.

    Attributes:
        name: the task's name.
        person: the person's user name.
    """

    name: str
    person: str

    @property
    def actor(self) -> Actor:
        """The actor that the trail records."""
        return Actor(type="system", id=self.name, on_behalf_of=self.person)
