"""Webhook endpoints: made, edited, disabled, their secrets rotated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actors import Acting
from audit.canonical import digest
from audit.refusals import Conflict, Invalid, PreconditionFailed, Problem, Stale
from audit.transitions import move, note
from controlplane import atrest, outgoing
from controlplane.delivery import signing
from controlplane.delivery.models import Attempt, Delivery, Endpoint
from controlplane.delivery.permissions import may_connect, may_manage
from controlplane.delivery.states import EndpointState
from controlplane.no_secrets import secrets_in
from registry.models import Team, User
from registry.models.people import SLUG

# How long the old secret signs beside the new one.
OVERLAP = timedelta(hours=24)
MOST_ENDPOINTS = 100
_MOST_WORDS = 100
_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*(?:\.\*)?\Z")


class EndpointChanged(PreconditionFailed):
    """Somebody changed the endpoint since it was read."""

    code, title = "webhook_changed", "The webhook was changed in the meantime"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an endpoint is to be like.

    Attributes:
        name: for people, 1 to 80 characters.
        url: where to.
        kinds: exact kinds or families (``approval.*``); empty for all.
        agents: slugs; empty for all.
        teams: slugs, for everybody's endpoints; empty for all.
    """

    name: str
    url: str
    kinds: Sequence[str] = ()
    agents: Sequence[str] = ()
    teams: Sequence[str] = field(default=())

    @property
    def columns(self) -> dict[str, Any]:
        """As the row holds it."""
        return {
            "name": self.name.strip(),
            "url": self.url,
            "kinds": sorted(set(self.kinds)),
            "agents": sorted(set(self.agents)),
            "teams": sorted(set(self.teams)),
        }


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint and its new secret, which is shown this once."""

    endpoint: Endpoint
    secret: str


def create_endpoint(
    *, wanted: Wanted, team: Team | None, by: User, now: datetime, guard: outgoing.Guard | None = None
) -> Issued:
    """Make an endpoint. It gets the events from now on.

    The URL is resolved before the transaction begins: a slow resolver must not hold the database.

    Args:
        wanted: what it is to be like.
        team: whose events; None for everybody's.
        by: an administrator, or an operator of the team.
        now: aware UTC.
        guard: of outgoing calls; the installation's when left out.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to connect.
        Invalid: a name, kind or slug is none.
        UnsafeUrl: 422; one text whatever is wrong with the URL.
        Conflict: there are too many already.
    """
    may_connect(by, team)
    _check(wanted, team)
    (guard or outgoing.guard()).check(wanted.url)
    return _create(wanted, team, by=by, now=now)


@transaction.atomic
def _create(wanted: Wanted, team: Team | None, *, by: User, now: datetime) -> Issued:
    if Endpoint.objects.count() >= MOST_ENDPOINTS:
        raise Conflict(f"There are {MOST_ENDPOINTS} webhooks already; delete one first.")
    secret = signing.new_secret()
    endpoint = Endpoint(team=team, created_at=now, created_by=by, secret_hint=signing.hint(secret), **wanted.columns)
    endpoint.secret = atrest.seal(secret, place=endpoint.place("secret"))
    endpoint.save(force_insert=True)
    note(endpoint, kind="webhook.created", by=by, now=now, outcome=endpoint.state, after=digest_of(endpoint))
    return Issued(endpoint, secret)


def edit_endpoint(
    *,
    endpoint: Endpoint,
    wanted: Wanted,
    by: User,
    now: datetime,
    seen: str | None = None,
    guard: outgoing.Guard | None = None,
) -> None:
    """Change what an endpoint is like; its team, state and secrets stay.

    Args:
        endpoint: as the person saw it.
        wanted: what it is to be like.
        by: an administrator, or an operator of its team.
        now: aware UTC.
        seen: `digest_of` the endpoint as the person read it (``If-Match``); None: whatever it is like now.
        guard: of outgoing calls; the installation's when left out.

    Raises:
        Missing: not theirs to see.
        EndpointChanged: somebody else changed it since the person read it.
        Invalid, UnsafeUrl: see `create_endpoint`.
        Stale: somebody else changed it first.
    """
    may_manage(by, endpoint)
    # What changes after this is met where the row is replaced.
    if seen is not None and digest_of(endpoint) != seen:
        raise EndpointChanged(f"{endpoint.name} was changed by somebody else since you read it.")
    _check(wanted, endpoint.team)
    if wanted.url != endpoint.url:
        (guard or outgoing.guard()).check(wanted.url)
    _edit(endpoint, wanted, by=by, now=now)


@transaction.atomic
def _edit(endpoint: Endpoint, wanted: Wanted, *, by: User, now: datetime) -> None:
    before = digest_of(endpoint)
    changed = sorted(name for name, value in wanted.columns.items() if getattr(endpoint, name) != value)
    if not changed:
        return
    _replace(endpoint, wanted.columns)
    note(
        endpoint, kind="webhook.changed", by=by, now=now, before=before, after=digest_of(endpoint),
        details={"changed": changed},
    )  # fmt: skip


@transaction.atomic
def rotate_secret(*, endpoint: Endpoint, by: User, now: datetime, overlap: timedelta = OVERLAP) -> Issued:
    """Give an endpoint a new secret; the old one signs as well until the overlap is over.

    A second rotation within the overlap ends the oldest secret at once.

    Raises:
        Missing: not theirs to see.
        Stale: somebody else changed it first.
    """
    may_manage(by, endpoint)
    secret = signing.new_secret()
    old = atrest.open_sealed(endpoint.secret, place=endpoint.place("secret"))
    _replace(
        endpoint,
        {
            "secret": atrest.seal(secret, place=endpoint.place("secret")),
            "secret_hint": signing.hint(secret),
            "previous": atrest.seal(old, place=endpoint.place("previous")),
            "previous_until": now + overlap,
        },
    )
    details = {"until": (now + overlap).isoformat()}
    note(endpoint, kind="webhook.secret_rotated", by=by, now=now, details=details)
    return Issued(endpoint, secret)


@transaction.atomic
def disable_endpoint(*, endpoint: Endpoint, reason: str, by: Acting, now: datetime) -> None:
    """Stop an endpoint: nothing is written down for it any more, what waits stays where it is.

    Raises:
        Missing: not theirs to see.
        IllegalTransition, Stale: it is disabled already; somebody else was first.
    """
    may_manage(by, endpoint)
    fields = {"state_reason": reason[:200], "failures": 0, "probe_at": None}
    move(endpoint, EndpointState.DISABLED, by=by, now=now, details={"reason": reason}, fields=fields)


@transaction.atomic
def enable_endpoint(*, endpoint: Endpoint, by: User, now: datetime) -> None:
    """Start an endpoint again, or close its breaker: what waits is sent, events come from now on.

    Raises:
        Missing: not theirs to see.
        IllegalTransition, Stale: it is active already; somebody else was first.
    """
    may_manage(by, endpoint)
    fields = {"state_reason": "", "failures": 0, "probe_at": None}
    move(endpoint, EndpointState.ACTIVE, by=by, now=now, kind="webhook.enabled", fields=fields)


@transaction.atomic
def delete_endpoint(*, endpoint: Endpoint, by: User, now: datetime) -> None:
    """Forget a disabled endpoint with its secrets and its log; the trail keeps what was sent.

    Raises:
        Missing: not theirs to see.
        Conflict: it is not disabled.
    """
    may_manage(by, endpoint)
    if not Endpoint.objects.filter(pk=endpoint.pk, state=EndpointState.DISABLED).exists():
        raise Conflict("Disable the webhook first.")
    rows = Delivery.objects.filter(endpoint=endpoint)
    details = {"name": endpoint.name, "deliveries": rows.count()}
    note(endpoint, kind="webhook.deleted", by=by, now=now, before=digest_of(endpoint), details=details)
    Attempt.objects.filter(delivery__endpoint=endpoint).delete()
    rows.delete()
    endpoint.delete()


def secrets_in_force(endpoint: Endpoint, *, now: datetime) -> list[str]:
    """Return the secrets that sign: the present one, and the one before until its time is over.

    Raises:
        atrest.Unreadable: no key of the installation opens them.
    """
    found = [atrest.open_sealed(endpoint.secret, place=endpoint.place("secret"))]
    if endpoint.previous and endpoint.previous_until and now < endpoint.previous_until:
        found.append(atrest.open_sealed(endpoint.previous, place=endpoint.place("previous")))
    return found


def _replace(endpoint: Endpoint, columns: dict[str, Any]) -> None:
    """Write columns if nobody wrote any since the row was read."""
    rows = Endpoint.objects.filter(pk=endpoint.pk, revision=endpoint.revision)
    if rows.update(**columns, revision=endpoint.revision + 1) != 1:
        raise Stale(f"The webhook {endpoint.name} was changed in the meantime.")
    for name, value in columns.items():
        setattr(endpoint, name, value)
    endpoint.revision += 1


def digest_of(endpoint: Endpoint) -> str:
    """Name what an endpoint is like, without its state and secrets."""
    columns = {name: getattr(endpoint, name) for name in ("name", "url", "kinds", "agents", "teams")}
    return digest("acp.webhook.v1", {**columns, "team": endpoint.audit_team})


def _check(wanted: Wanted, team: Team | None) -> None:
    """Refuse what no endpoint can be like."""
    # The URL is read by many; what authenticates a message is its signature.
    problems = list(secrets_in({"name": wanted.name, "url": wanted.url}).values())
    name = wanted.name.strip()
    if not 0 < len(name) <= 80 or not name.isprintable():
        problems.append(Problem("/name", "not_admitted", "A name has 1 to 80 printable characters."))
    problems += _words("kinds", wanted.kinds, lambda text: len(text) <= 64 and bool(_KIND.match(text)))
    problems += _words("agents", wanted.agents, _is_slug)
    problems += _words("teams", wanted.teams, _is_slug)
    if team is not None and wanted.teams:
        problems.append(Problem("/teams", "not_admitted", "A team's webhook gets that team's events."))
    if problems:
        raise Invalid("The webhook cannot be saved.", errors=problems)


def _is_slug(text: str) -> bool:
    try:
        SLUG(text)
    except ValidationError:
        return False
    return True


def _words(name: str, words: Sequence[str], fits: Any) -> list[Problem]:
    if len(words) > _MOST_WORDS:
        return [Problem(f"/{name}", "too_many", f"At most {_MOST_WORDS}.")]
    return [
        Problem(f"/{name}/{at}", "not_admitted", "This is none.") for at, word in enumerate(words) if not fits(word)
    ]
