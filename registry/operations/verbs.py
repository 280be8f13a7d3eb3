"""The verb catalogue: what each kind of action is, and the revision that tells compiled policies to look again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audit import sql
from audit.actors import Acting
from audit.canonical import digest
from audit.refusals import Conflict
from audit.transitions import note
from registry import permissions
from registry.catalogue import dump_verb, parse_verb
from registry.history import save_configured
from registry.models import Verb
from registry.tools import by_tool

VERBS_LOCK = "registry.verbs"
_BUMP = (
    "INSERT INTO registry_catalogue (id, revision, changed_at) VALUES (1, %s, %s) "
    "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, changed_at = excluded.changed_at "
    "RETURNING revision"
)
# The trail names the revision, and JSON's integers are safe up to 2^53−1.
_BITS = 52


def bump_catalogue(*, now: datetime) -> int:
    """Give the catalogue a new revision, in the caller's transaction.

    A random number, not the next one: a transaction that was rolled back may have left a process
    with contents remembered under the number that a counter would give to other contents.

    Every process that holds compiled policies compares the revision at each use and compiles
    anew. Writers queue on the one row until their transactions end.

    Args:
        now: aware UTC.

    Returns:
        The new revision.
    """
    # One statement creates or changes the row: two first writers cannot collide.
    with connection.cursor() as cursor:
        cursor.execute(_BUMP, [secrets.randbits(_BITS) + 1, sql.stamp(now)])
        return int(cursor.fetchone()[0])


def require_one_verb_each() -> None:
    """Check that no two verbs of the catalogue claim one tool; under the lock of whoever changed it.

    Raises:
        Conflict: naming the tool and both verbs.
    """
    try:
        by_tool(parse_verb(verb.name, verb.spec) for verb in Verb.objects.order_by("name"))
    except ValueError as error:
        raise Conflict(str(error)) from error


@transaction.atomic
def save_verb(
    *, name: str, spec: Mapping[str, Any], by: Acting, now: datetime, fresh: bool = False, more_follow: bool = False
) -> bool:
    """Put a verb into the catalogue, or replace its entry as a whole.

    Args:
        name: dotted, for example ``email.send``.
        spec: the entry as `registry.catalogue.parse_verb` reads it; kept in its normal form.
        by: an administrator, or an operator of every team.
        now: aware UTC.
        fresh: whether the verb must not exist yet.
        more_follow: whether the caller saves other verbs in this transaction too, and has
            `require_one_verb_each` look at the end: a tool may move from one verb to another.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: it exists, and must not; or another verb claims one of its tools.
        Invalid: the entry has defects, with pointers below it.
        Forbidden: the entry would change and `by` may not change the catalogue.
    """
    normal = dump_verb(parse_verb(name, spec))
    sql.advisory_lock(VERBS_LOCK)
    verb = Verb.objects.filter(name=name).first()
    if fresh and verb is not None:
        raise Conflict(f"The verb {name} is in the catalogue already.")
    old = verb.spec if verb else None
    if old == normal:
        permissions.person(by)
        return False
    permissions.may_change_verbs(by)
    verb = verb or Verb(name=name)
    verb.spec = normal
    save_configured(verb, by=by, now=now)
    if not more_follow and normal.get("tools"):
        require_one_verb_each()
    revision = bump_catalogue(now=now)
    note(
        verb,
        kind="verb.created" if old is None else "verb.changed",
        by=by,
        now=now,
        before=digest("acp.verb.v1", old) if old else "",
        after=digest("acp.verb.v1", normal),
        details={"spec": normal, "catalogue": revision},
    )
    return True
