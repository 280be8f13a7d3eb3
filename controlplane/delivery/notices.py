"""What people are told of, and in which words (pure): ids, verb, agent and deadline, never what was asked.

Broken glass alone is told with a person's name and reason: they write it knowing that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from registry.preferences import Preferences, in_quiet_hours

# What happened longer ago is told in the console alone: nobody wants yesterday's mail after an outage.
TOO_OLD: Final = timedelta(hours=24)
_STEP: Final = timedelta(minutes=15)
_STEPS: Final = 96 + 1


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind of notification.

    Attributes:
        word: by which people choose it.
        title: what it is called in preferences.
        sentence: what it says, with ``{verb}``, ``{agent}``, ``{deadline}``, ``{object}``, ``{person}``, ``{reason}``.
        urgent: ignores quiet hours.
        about: which object its page is of: ``approval``, ``failure``, ``budget``, ``kill`` or ``audit``.
    """

    word: str
    title: str
    sentence: str
    about: str
    urgent: bool = False


_WAITING = Notice("waiting", "An approval waits for me", "{verb} by {agent} waits for you{deadline}", "approval")
_REMINDER = Notice(
    "reminder", "An approval is about to expire", "{verb} by {agent} is about to expire{deadline}", "approval", True
)
_ESCALATED = Notice("escalated", "An approval was escalated", "{verb} by {agent} was escalated{deadline}", "approval")
_DECIDED = Notice("decided", "A request of my agents was decided", "{verb} by {agent}: {outcome}", "approval")
GLASS: Final = Notice(
    "break_glass",
    "Somebody broke the glass",
    "{person} approved {verb} by {agent} in the reviewers' place. Reason: {reason}",
    "approval",
    True,
)
_FAILURE = Notice("failure", "A new failure", "{agent} fails in a new way", "failure")
_BUDGET = Notice("budget", "A budget reached a threshold", "The budget {object} reached a threshold", "budget")
_TRIGGER = Notice("trigger", "A trigger fired", "The trigger {object} fired", "audit")
_KILL = Notice("kill", "A kill switch was thrown", "A kill switch was thrown{agent_words}", "kill", True)

NOTICES: Final[dict[str, Notice]] = {
    each.word: each for each in (_WAITING, _REMINDER, _ESCALATED, _DECIDED, GLASS, _FAILURE, _BUDGET, _TRIGGER, _KILL)
}

_BY_KIND: Final[dict[str, Notice]] = {
    "approval.requested": _WAITING,
    "approval.reminded": _REMINDER,
    "approval.escalated": _ESCALATED,
    "approval.approved": _DECIDED,
    "approval.rejected": _DECIDED,
    "approval.expired": _DECIDED,
    "approval.break_glass": GLASS,
    "failure.new": _FAILURE,
    "failure.regressed": _FAILURE,
    "budget.threshold": _BUDGET,
    "kill_switch.thrown": _KILL,
    "trigger.fired": _TRIGGER,
}
# For whoever decides; the others are for whoever answers, broken glass for both.
FOR_REVIEWERS: Final = frozenset({_WAITING.word, _REMINDER.word, _ESCALATED.word})
# Kinds of entries that ask for a decision: once there is one, nobody is told any more.
ASKING: Final = frozenset({"approval.requested", "approval.reminded", "approval.escalated"})
OF_APPROVALS: Final = FOR_REVIEWERS | {_DECIDED.word, GLASS.word}
# Letters of a reason that go out; the whole of it stands in the trail.
_LONGEST_REASON: Final = 300


def notice_of(kind: str) -> Notice | None:
    """Return what is told of an entry's kind; None where nobody is told."""
    return _BY_KIND.get(kind)


def say(
    notice: Notice,
    *,
    verb: str,
    agent: str,
    subject: str,
    outcome: str,
    deadline: datetime | None,
    person: str = "",
    reason: str = "",
) -> str:
    """Write the sentence.

    Args:
        notice: which.
        verb: of the action; empty where there is none.
        agent: its slug, or empty.
        subject: id of what it is about.
        outcome: of the entry.
        deadline: until when, aware UTC.
        person: who did it.
        reason: theirs, as they wrote it; told in one line, and not at any length.
    """
    return notice.sentence.format(
        verb=verb or "an action",
        agent=agent or "an agent",
        object=subject,
        outcome=outcome,
        deadline=f", until {deadline:%Y-%m-%d %H:%M} UTC" if deadline else "",
        agent_words=f" over {agent}" if agent else "",
        person=person,
        reason=_shortened(reason),
    )


def _shortened(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def when_to_tell(preferences: Preferences, *, urgent: bool, now: datetime) -> datetime:
    """Return when a person is told: now, or when their quiet hours are over.

    Args:
        preferences: the person's.
        urgent: quiet hours don't count.
        now: aware UTC.
    """
    if urgent:
        return now
    # Quarter hours, by the wall clock's own rule: that is exact enough, and right across daylight saving.
    return next((at for step in range(_STEPS) if not in_quiet_hours(preferences, at := now + step * _STEP)), now)
