"""What a section of the document is to those who apply and export it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audit.refusals import Conflict, Forbidden, Invalid, Missing, Problem, invalid
from controlplane.apply.problems import Lines, line_of
from registry.documents import Problems, Section, join
from registry.models import User

Entries = Mapping[str, Any]


@dataclass(slots=True)
class Applying:
    """One section while it is written.

    Attributes:
        by: who applies the document.
        now: when, aware UTC.
        present: the section's entries as they are, in normal form.
        at: pointer to the section.
        lines: line by pointer.
        problems: the defects found so far.
    """

    by: User
    now: datetime
    present: Entries
    at: str
    lines: Lines
    problems: list[Problem] = field(default_factory=list)

    @contextmanager
    def entry(self, name: str = "") -> Iterator[None]:
        """Write one entry, or the whole section: what is wrong with it is noted with its place.

        Args:
            name: the entry's; the section when left out.

        Raises:
            Forbidden: with the line.
        """
        at = join(self.at, name) if name else self.at
        try:
            yield
        except Forbidden as error:
            raise Forbidden(f"Line {line_of(at, self.lines)}: {at[1:]}: {error.detail}") from error
        except Invalid as error:
            found = error.errors or (Problem("", error.code, error.detail),)
            self.problems.extend(Problem(at + item.pointer, item.code, item.detail) for item in found)
        except (Conflict, Missing) as error:
            self.problems.append(Problem(at, error.code, error.detail))


def _nothing(entries: Entries) -> None:
    """Hold nothing: entries that replace the present ones as a whole keep nothing that could be out of date."""


@dataclass(frozen=True, slots=True)
class Part:
    """One section.

    Attributes:
        name: its key in the document.
        check: notes what is wrong with the form of its entries; asks no database.
        read: returns the entries in force, in normal form, ordered by name.
        write: brings the entries into force.
        hold: keeps others from saving entries until the transaction ends; before they are read. Where an entry
            leaves out what then stays as it is, that must not be what it was before somebody changed it.
    """

    name: str
    check: Callable[[Problems, str, Entries], None]
    read: Callable[[], dict[str, Any]]
    write: Callable[[Entries, Applying], None]
    hold: Callable[[Entries], None] = _nothing


def each(check: Callable[[Section], None]) -> Callable[[Problems, str, Entries], None]:
    """Make a section's form check of that of one entry, which need not close its `Section`."""

    def check_all(problems: Problems, at: str, entries: Entries) -> None:
        for name, raw in entries.items():
            section = Section(problems, join(at, name), raw)
            check(section)
            section.close()

    return check_all


def person_named(username: str, pointer: str) -> User:
    """Return a person.

    Args:
        username: the name given.
        pointer: where it stands in its entry.

    Raises:
        Invalid: there is no such person.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        raise invalid(pointer, "unknown_person", f"There is no person named {username}; see manage.py createuser.")
    return user
