"""What people keep for themselves: saved views, single-key shortcuts, their clock, who is told as well."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Final

from django.db import transaction

from audit import sql
from audit.refusals import Conflict, Invalid, Missing, Problem
from audit.transitions import note
from registry.models import SavedView, User
from registry.models.preferences import LONGEST_NAME, LONGEST_QUERY
from registry.preferences import zones

MOST_VIEWS: Final = 20
LONGEST_DELEGATION: Final = timedelta(days=366)


@transaction.atomic
def save_view(*, page: str, name: str, query: str, by: User, now: datetime) -> SavedView:
    """Keep a list's search and filters under a name; the same name again replaces what it stood for.

    Args:
        page: whose list, ``runs.run``.
        name: the person's own word for it.
        query: the list's query string, without the question mark.
        by: whose view it is.
        now: aware UTC.

    Raises:
        Invalid: name or query is empty or too long.
        Conflict: the person has too many of this list already.
    """
    name = name.strip()
    problems = []
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        problems.append(Problem("/name", "not_admitted", f"A name has 1 to {LONGEST_NAME} printable characters."))
    if len(query) > LONGEST_QUERY:
        problems.append(Problem("/query", "too_long", f"A view holds {LONGEST_QUERY} characters at most."))
    if problems:
        raise Invalid("The view cannot be saved.", errors=problems)
    sql.advisory_lock(f"registry.views.{by.pk}")
    mine = SavedView.objects.filter(user=by, page=page)
    if not mine.filter(name=name).exists() and mine.count() >= MOST_VIEWS:
        raise Conflict(f"You keep {MOST_VIEWS} views of this list already; forget one first.")
    view, _ = SavedView.objects.update_or_create(
        user=by, page=page, name=name, defaults={"query": query, "created_at": now}
    )
    note(view, kind="view.saved", by=by, now=now)
    return view


@transaction.atomic
def forget_view(*, view_id: int, by: User, now: datetime) -> SavedView:
    """Forget a saved view.

    Raises:
        Missing: missing, or another person's: the answer is the same.
    """
    view = SavedView.objects.visible_to(by).filter(pk=view_id).select_related("user").first()
    if view is None:
        raise Missing
    note(view, kind="view.forgotten", by=by, now=now)
    view.delete()
    return view


@transaction.atomic
def set_shortcuts(*, on: bool, by: User, now: datetime) -> bool:
    """Turn the console's single-key shortcuts on or off for oneself.

    Returns:
        Whether anything changed.
    """
    if not User.objects.filter(pk=by.pk).exclude(shortcuts=on).update(shortcuts=on):
        return False
    by.shortcuts = on
    note(by, kind="person.shortcuts_set", by=by, now=now, details={"on": on})
    return True


@transaction.atomic
def set_clock(
    *, zone: str, by: User, now: datetime, quiet_from: time | None = None, quiet_until: time | None = None
) -> bool:
    """Say where one's own clock hangs, and when one wants to be left alone.

    Args:
        zone: of `registry.preferences.zones`.
        by: whose clock it is.
        now: aware UTC.
        quiet_from: by that clock; None together with `quiet_until`: never.
        quiet_until: by that clock; before `quiet_from` it is a time of the next day.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: no such zone, or half of the quiet hours, with pointers.
    """
    problems = []
    if zone not in zones():
        problems.append(Problem("/zone", "unknown_zone", "This is not an IANA time zone, such as Europe/Berlin."))
    if (quiet_from is None) != (quiet_until is None):
        missing = "quiet_until" if quiet_until is None else "quiet_from"
        problems.append(Problem(f"/{missing}", "missing_field", "Quiet hours have a beginning and an end."))
    elif quiet_from is not None and quiet_from == quiet_until:
        detail = "Nothing is quiet from a time until the same time."
        problems.append(Problem("/quiet_until", "out_of_range", detail))
    if problems:
        raise Invalid("The hours cannot be saved.", errors=problems)
    return _choose(by, "person.clock_set", {"zone": zone, "quiet_from": quiet_from, "quiet_until": quiet_until}, now)


@transaction.atomic
def set_delegate(
    *, to: User | None, by: User, now: datetime, begins: datetime | None = None, ends: datetime | None = None
) -> bool:
    """Have another person told as well for a time, or nobody any more. It gives them no right.

    Args:
        to: an active person, not oneself; None: nobody.
        by: whose messages they are.
        now: aware UTC.
        begins: aware UTC; from when.
        ends: aware UTC; until when, at most `LONGEST_DELEGATION` later.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: the person or the time is not admitted, with pointers.
    """
    chosen: dict[str, Any] = {"delegate": None, "delegate_from": None, "delegate_until": None}
    if to is not None:
        problems = []
        if to.pk == by.pk or not User.objects.filter(pk=to.pk, is_active=True).exists():
            problems.append(Problem("/to", "not_admitted", "A delegate is another person whose account is active."))
        if begins is None or ends is None:
            missing = "begins" if begins is None else "ends"
            problems.append(Problem(f"/{missing}", "missing_field", "A delegate stands in for a stated time."))
        elif not (max(begins, now) < ends and ends - begins <= LONGEST_DELEGATION):
            detail = f"It ends after it begins and after now, within {LONGEST_DELEGATION.days} days of its beginning."
            problems.append(Problem("/ends", "out_of_range", detail))
        if problems:
            raise Invalid("The delegate cannot be saved.", errors=problems)
        chosen = {"delegate": to, "delegate_from": begins, "delegate_until": ends}
    return _choose(by, "person.delegate_set", chosen, now)


def _choose(by: User, kind: str, chosen: dict[str, Any], now: datetime) -> bool:
    """Write columns that only their person changes, if they are others than before."""
    sql.advisory_lock(f"registry.preferences.{by.pk}")
    before = User.objects.filter(pk=by.pk).select_related("delegate").get()
    changed = {name: value for name, value in chosen.items() if getattr(before, name) != value}
    if not changed:
        return False
    User.objects.filter(pk=by.pk).update(**chosen)
    for name, value in chosen.items():
        setattr(by, name, value)
    details = {name: {"from": _told(getattr(before, name)), "to": _told(value)} for name, value in changed.items()}
    note(by, kind=kind, by=by, now=now, details=details)
    return True


def _told(value: Any) -> str | None:
    if isinstance(value, User):
        return value.username
    return value.isoformat() if isinstance(value, time | datetime) else value
