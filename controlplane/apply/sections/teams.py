"""``teams:`` name, lead, members."""

from __future__ import annotations

from typing import Any

from controlplane.apply.reading import optional_text, text_list
from controlplane.apply.sections.base import Applying, Entries, Part, each, person_named
from registry import operations
from registry.documents import Section
from registry.models import Team


def _check(section: Section) -> None:
    section.text("name")
    optional_text(section, "lead")
    text_list(section, "members")


def _read() -> dict[str, Any]:
    return {team.slug: _facts(team) for team in Team.objects.select_related("lead").order_by("slug")}


def _facts(team: Team) -> dict[str, Any]:
    facts = operations.team_facts(team)
    return {key: facts[key] for key in ("name", "members", "lead")}


def _hold(_: Entries) -> None:
    operations.hold_teams()


def _write(entries: Entries, applying: Applying) -> None:
    for slug, entry in entries.items():
        with applying.entry(slug):
            given = {"name": slug, "members": [], "lead": None, **applying.present.get(slug, {}), **entry}
            operations.save_team(
                slug=slug,
                name=given["name"],
                lead=person_named(given["lead"], "/lead") if given["lead"] else None,
                members=[person_named(name, f"/members/{at}") for at, name in enumerate(given["members"])],
                by=applying.by,
                now=applying.now,
            )


TEAMS = Part("teams", each(_check), _read, _write, _hold)
