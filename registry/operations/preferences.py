"""What people keep for themselves in the console: saved views, single-key shortcuts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from audit import sql
from audit.refusals import Conflict, Invalid, Missing, Problem
from audit.transitions import note
from registry.models import SavedView, User
from registry.models.preferences import LONGEST_NAME, LONGEST_QUERY

MOST_VIEWS: Final = 20


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
