"""Who sits in a queue, and what is wrong with the terms that somebody gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from approvals.models import Queue
from approvals.models.queues import DAY
from approvals.routing import parse_matches
from audit.refusals import Problem
from policies.routes import AUTO
from registry.documents import DocumentInvalid
from registry.models import Team, User
from registry.models.people import SLUG

MOST_AT_ONCE: Final = 100
LARGEST: Final = 10_000
LONGEST_TTL: Final = 30 * DAY
PERSON: Final = "user:"


class Keep:
    """Stands for what a caller does not say: it stays as it is."""


KEEP: Final = Keep()


@dataclass(frozen=True, slots=True)
class Escalate:
    """Who may vote as well after a while.

    Attributes:
        after_seconds: how long the queue's own reviewers have it alone.
        to: slug of the queue whose reviewers may vote then.
    """

    after_seconds: int
    to: str


class Seats:
    """The teams and people that a list of reviewers names.

    Args:
        reviewers: slugs of teams, and people as ``user:<username>``.

    Attributes:
        teams, people: those that exist.
        problems: the others, and a list that names nobody.
    """

    def __init__(self, reviewers: Sequence[str]) -> None:
        names = [name.removeprefix(PERSON) for name in reviewers if name.startswith(PERSON)]
        people = {user.username: user for user in User.objects.filter(username__in=names)}
        teams = {team.slug: team for team in Team.objects.filter(slug__in=reviewers)}
        self.teams, self.people = list(teams.values()), list(people.values())
        self.problems: list[Problem] = []
        if not reviewers:
            self.problems.append(Problem("/reviewers", "required", "A queue needs a reviewing team or person."))
        for index, name in enumerate(reviewers):
            if name.startswith(PERSON):
                if name.removeprefix(PERSON) not in people:
                    detail = f"There is no person {name.removeprefix(PERSON)!r}."
                    self.problems.append(Problem(f"/reviewers/{index}", "unknown_person", detail))
            elif name not in teams:
                self.problems.append(Problem(f"/reviewers/{index}", "unknown_team", f"There is no team {name!r}."))

    def written(self) -> list[str]:
        """Return them as a document has them."""
        return written(self.teams, self.people)


def written(teams: Iterable[Team], people: Iterable[User]) -> list[str]:
    """Return reviewers as a document has them: teams, then people."""
    return [*sorted(team.slug for team in teams), *sorted(f"{PERSON}{user.username}" for user in people)]


def escalation_problems(slug: str, escalate: Escalate | None, ttl_seconds: int) -> list[Problem]:
    """Say what is wrong with an escalation."""
    if escalate is None:
        return []
    problems = []
    if not 60 <= escalate.after_seconds < ttl_seconds:
        problems.append(
            Problem("/escalate/after", "range", "It lies between one minute and the time that requests stay open.")
        )
    if escalate.to == slug or not Queue.objects.filter(slug=escalate.to).exists():
        detail = f"There is no other queue {escalate.to!r}."
        problems.append(Problem("/escalate/to", "unknown_queue", detail))
    return problems


def matches_problems(matches: Mapping[str, Any]) -> list[Problem]:
    """Say what is wrong with what a queue takes by itself."""
    try:
        parse_matches(matches, at="/matches")
    except DocumentInvalid as error:
        return list(error.errors)
    return []


def name_problems(slug: str) -> list[Problem]:
    """Say what is wrong with a queue's name."""
    if slug == AUTO:
        return [Problem("/slug", "reserved", f"“{AUTO}” in a rule leaves the choice to the queues.")]
    if SLUG.regex.match(slug) is None:  # type: ignore[union-attr]  # the validator compiled it
        return [Problem("/slug", "slug", str(SLUG.message))]
    return []


def number_problems(*, quorum: int, ttl_seconds: int, bulk_limit: int | Keep, capacity: int | Keep) -> list[Problem]:
    """Say which numbers lie outside their range."""
    ranges: tuple[tuple[str, int | Keep, int, int, str], ...] = (
        ("/quorum", quorum, 1, 20, "The quorum lies between 1 and 20."),
        ("/ttl", ttl_seconds, 60, LONGEST_TTL, "Requests stay open between one minute and 30 days."),
        ("/bulk_limit", bulk_limit, 0, MOST_AT_ONCE, f"The limit lies between 0 and {MOST_AT_ONCE}."),
        ("/capacity", capacity, 0, LARGEST, f"The capacity lies between 0 and {LARGEST}."),
    )
    return [
        Problem(pointer, "range", words)
        for pointer, value, least, most, words in ranges
        if not isinstance(value, Keep) and not least <= value <= most
    ]
