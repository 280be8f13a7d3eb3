"""Replays: the list, the page that grows while a replay works, and what the publish dialog tells of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import formats
from controlplane.console.admins import Button, ConsoleAdmin, Empty, page_of
from controlplane.console.lists import state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.checks import Check
from controlplane.console.policies.replay_dialogs import CancelReplay
from policies.models import Decision, Replay, Revision
from policies.replaying.summing import KINDS, MOST_EXAMPLES
from policies.states import ReplayState
from registry.models import User
from registry.states import Role

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "newly_blocked": ("✕", "newly blocked"),
    "newly_allowed": ("✓", "newly allowed"),
    "newly_held": ("◐", "newly held"),
}
BASIS: Final = (
    (
        "Judged are what the agent said, its team, environment and moment of then; its tags and the verb catalogue are "
        "those of now."
    ),
    "What no policy decides (pauses, kill switches, missing rights, spent budgets, full queues) stays as it was.",
    (
        "Limits are counted again in the decisions' own order, beginning with what they had admitted before the "
        "period; what is held takes nothing."
    ),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One decision that comes out otherwise."""

    url: str
    at: datetime
    agent: str
    verb: str
    before: str
    now: str
    because: str


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """One way in which decisions come out otherwise.

    Attributes:
        spend: what it means in money, one sentence; empty where nothing is known.
        agents: name and count, the most frequent first.
        rules: policy, rule (or code) and count.
    """

    sign: str
    name: str
    count: str
    spend: str
    agents: tuple[tuple[str, int], ...]
    rules: tuple[tuple[str, str, int], ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPage:
    """Everything that the page shows.

    Attributes:
        live: whether it goes on, and the page asks again.
        changed: the revision says something else by now.
        summary: one line.
        reviewing: what the newly held cost reviewers; empty where nothing is held.
    """

    heading: str
    state: str
    detail: str
    live: bool
    percent: int
    done: str
    total: str
    revision: int
    revision_url: str
    changed: bool
    since: datetime
    until: datetime
    asked_by: str
    took: timedelta | None
    summary: str
    facts: tuple[str, ...]
    reviewing: str
    cards: tuple[ChangeCard, ...]
    most_examples: int
    basis: tuple[str, ...]
    buttons: tuple[Button, ...]


def read_replay(replay: Replay, *, user: User) -> ReplayPage:
    """Read the page.

    Args:
        replay: its revision and asker are joined.
        user: who looks.
    """
    result = replay.result
    return ReplayPage(
        heading=f"Replay of r{replay.revision.number}",
        state=replay.state,
        detail=replay.detail,
        live=not replay.is_over,
        percent=replay.percent,
        done=formats.count(replay.done),
        total="" if replay.total is None else formats.count(replay.total),
        revision=replay.revision.number,
        revision_url=page_of(replay.revision),
        changed=replay.revision.digest != replay.digest,
        since=replay.since,
        until=replay.until,
        asked_by=replay.asked_by.username,
        took=replay.ended_at - replay.started_at if replay.ended_at and replay.started_at else None,
        summary=summary_of(replay),
        facts=tuple(_facts(result)) if result else (),
        reviewing=reviewing_of(result),
        cards=tuple(_card(kind, result[kind]) for kind in KINDS if result and result[kind]["count"]),
        most_examples=MOST_EXAMPLES,
        basis=BASIS,
        buttons=_buttons(replay, user),
    )


def summary_of(replay: Replay) -> str:
    """Write what came out in one line: ``newly ✕12 ✓3 ◐41, 1,204 as they were``."""
    result = replay.result
    if not result:
        return ""
    counts = " ".join(f"{_WORDS[kind][0]}{formats.count(result[kind]['count'])}" for kind in KINDS)
    return f"newly {counts}, {formats.count(result['unchanged'])} as they were"


def reviewing_of(result: Mapping[str, Any]) -> str:
    """Write what the newly held actions take from reviewers, with the sample."""
    reviewing = result.get("reviewing") if result else None
    if not reviewing or not reviewing["queues"]:
        return ""
    measured = sum(queue["measured"] for queue in reviewing["queues"])
    if reviewing["seconds"] is None:
        return "How long reviewing them takes was never measured."
    time = formats.duration(timedelta(seconds=reviewing["seconds"]))
    return f"Reviewing them takes about {time}, by the median of {formats.plural(measured, 'measured vote')}."


def _facts(result: Mapping[str, Any]) -> list[str]:
    found = []
    if result["no_longer_held"]:
        found.append(f"{formats.plural(result['no_longer_held'], 'action')} would wait for nobody any more.")
    if result["carried"]:
        found.append(f"{formats.plural(result['carried'], 'answer')} came from what no policy decides.")
    if result["erased"]:
        found.append(f"{formats.plural(result['erased'], 'decision')} could not be judged: the payload was erased.")
    return found


def _card(kind: str, change: Mapping[str, Any]) -> ChangeCard:
    sign, name = _WORDS[kind]
    return ChangeCard(
        sign,
        name,
        formats.count(change["count"]),
        _spend(change["spend"]),
        tuple((agent, number) for agent, number in change["agents"]),
        tuple((policy, rule, number) for policy, rule, number in change["rules"]),
        tuple(_example(each) for each in change["examples"]),
    )


def _spend(spend: Mapping[str, int]) -> str:
    parts = []
    if spend["with_record"]:
        parts.append(f"{formats.money(spend['recorded'])} recorded for {formats.count(spend['with_record'])}")
    if spend["with_estimate"]:
        parts.append(f"{formats.money(spend['estimated'])} estimated for {formats.count(spend['with_estimate'])}")
    if spend["unknown"]:
        parts.append(f"unknown for {formats.count(spend['unknown'])}")
    return f"Spend: {', '.join(parts)}." if parts else ""


def _example(each: Mapping[str, Any]) -> Example:
    url = page_of(Decision(pk=each["id"]))
    at = datetime.fromisoformat(each["at"])
    return Example(url, at, each["agent"], each["verb"], each["before"], each["now"], each["now_because"])


def _buttons(replay: Replay, user: User) -> tuple[Button, ...]:
    if replay.is_over:
        return ()
    mine = user.role == Role.ADMIN or user.pk == replay.asked_by_id
    return (
        Button(
            "Cancel the replay…", page_of(replay, "cancel"), "",
            "" if mine else "Whoever asked for it and administrators cancel it.",
        ),
    )  # fmt: skip


def replays_of(revision: Revision, user: User) -> Replay | None:
    """Return the newest replay that the person may see of exactly this text."""
    rows = Replay.objects.visible_to(user).of_digest(revision.digest).exclude(state=ReplayState.CANCELLED)
    return rows.defer("memory").first()


@dataclass(frozen=True, slots=True)
class ReplayLine:
    """A replay as its revision's page tells of it."""

    url: str
    state: str
    percent: int
    period: str
    summary: str
    reviewing: str


def replay_line(revision: Revision, user: User) -> ReplayLine | None:
    """Return the newest replay of exactly this text that the person may see."""
    replay = replays_of(revision, user)
    if replay is None:
        return None
    period = f"{replay.since:%d %b} to {replay.until:%d %b %Y}"
    return ReplayLine(
        page_of(replay), replay.state, replay.percent, period, summary_of(replay), reviewing_of(replay.result)
    )


def replay_check(revision: Revision, user: User) -> Check:
    """Return the checklist's line on replays of exactly this text."""
    replay = replays_of(revision, user)
    if replay is None:
        return Check(None, "No replay of exactly this text was made: what it does to recorded actions is not known.")
    period = f"{replay.since:%d %b} to {replay.until:%d %b %Y}"
    if replay.state != ReplayState.FINISHED:
        return Check(None, f"The replay of {period} is {replay.state} ({replay.percent} %).")
    reviewing = f" {reviewing_of(replay.result)}" if reviewing_of(replay.result) else ""
    return Check(True, f"The replay of {period}: {summary_of(replay)}.{reviewing}")


class ReplayPages(ConsoleAdmin):
    """Replays of recorded decisions."""

    plural = "Replays"
    related = ("revision", "asked_by")
    page_template: ClassVar[str] = "console/policies/replay.html"
    dialogs = {"cancel": CancelReplay}
    empty = Empty("No replays yet.", "A draft's page offers one: recorded decisions, judged by the draft.")
    list_display = ("name", "standing", "progress", "came_out", "asked_by", "asked")
    list_filter = ("state",)
    search_fields = ("asked_by__username", "digest")

    standing = state_column("replay")
    asked = time_column("created_at", "asked for")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave the working memory where it is."""
        return super().get_queryset(request).defer("memory", "revision__document")

    @admin.display(description="replay", ordering="id")
    def name(self, row: Replay) -> str:
        """Name revision and period."""
        return f"r{row.revision.number}, {row.since:%d %b} to {row.until:%d %b %Y}"

    @admin.display(description="done", ordering="done")
    def progress(self, row: Replay) -> SafeString:
        """Write how far it is."""
        return format_html('<span class="cp-number">{} %</span>', row.percent)

    @admin.display(description="came out")
    def came_out(self, row: Replay) -> str:
        """Write the counts."""
        return summary_of(row) or "nothing yet"

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer nothing: a replay begins at a revision."""
        return ()

    def page(self, request: HttpRequest, row: Replay) -> ReplayPage:
        """Read the page."""
        return read_replay(row, user=viewer(request))
