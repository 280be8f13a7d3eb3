"""Asks every route as every caller, and takes each request back."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from itertools import count
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Model
from django.test import Client

from registry.models import User
from tests.controlplane.api.callers import TOKEN
from tests.matrix.places import Places, Side
from tests.matrix.routes import Route
from tests.matrix.rows import MISSING, OWN, SIBLING, Body, Row, Rule

_ADDRESSES = count(1)
# What differs from answer to answer though nothing is told by it.
_PASSING = re.compile(rb'[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|"instance": ?"[^"]*"|nonce="[^"]*"')
_CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


class Asker:
    """All callers of one world.

    Args:
        places: the world.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        world = places.world
        self.people: dict[str, User] = {
            "admin": world.admin, "operator": world.operator, "owner": world.owner, "reviewer": world.reviewer,
            "auditor": world.auditor, "superuser": places.superuser, "gone": places.gone,
        }  # fmt: skip
        self.keys = {"key": places.own.key, "sibling key": places.sibling.key, "narrow key": places.own.narrow}
        self.cookies = {name: _cookies(user) for name, user in self.people.items()}
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=True)

    def values(self, route: Route, row: Row, whose: str) -> dict[str, Any]:
        """Return what stands in the address."""
        found: dict[str, Any] = dict.fromkeys(route.variables, "nothing") | dict(row.values)
        if row.on:
            found |= _named(self.thing(row, whose))
        if whose == MISSING:
            last = [name for name in route.variables if name not in row.values][-1]
            found[last] = _other(found[last])
        return {name: found[name] for name in route.variables}

    def thing(self, row: Row, whose: str) -> Any:
        """Return the object that the row is about; for a missing one, the own one, whose place it takes."""
        if row.on in self.places.common:
            return self.places.common[row.on]
        side: Side = self.places.sibling if whose == SIBLING else self.places.own
        return side.things[row.on]

    def ask(
        self, route: Route, row: Row, method: str, caller: str, whose: str, *, body: Any = None,
        after: Callable[[], object] | None = None,
    ) -> Any:  # fmt: skip
        """Send one request and take back what it did; the arguments are those of `send`.

        Args:
            route: where.
            row: what the table says of it.
            method: of HTTP.
            caller: who.
            whose: own, sibling's or missing.
            body: sent in the place of the row's.
            after: looks at what was done before it is taken back.
        """
        with transaction.atomic():
            try:
                answer = self.send(route, row, method, caller, whose, body=body)
                if after is not None:
                    after()
            finally:
                transaction.set_rollback(True)
        return answer

    def send(self, route: Route, row: Row, method: str, caller: str, whose: str, *, body: Any = None) -> Any:
        """Send one request.

        Args:
            route: where.
            row: what the table says of it.
            method: of HTTP.
            caller: who.
            whose: own, sibling's or missing.
            body: sent in the place of the row's.
        """
        # Another method is sent to the same address.
        rule = row.rules.get(method) or Rule(frozenset(), query=row.query)
        thing = self.thing(row, whose) if row.on else self.places
        sent = body if body is not None else _read(rule.body, thing)
        headers = {"X-CSRFToken": TOKEN} | {k.replace("_", "-"): v for k, v in _read(rule.headers, thing).items()}
        if caller in self.keys:
            headers["Authorization"] = f"Bearer {self.keys[caller]}"
        self.client.cookies = SimpleCookie(self.cookies.get(caller, {"csrftoken": TOKEN}))
        options: dict[str, Any] = {
            "headers": headers, "query_params": _read(rule.query, thing),
            # Whoever is refused often is slowed down by address.
            "REMOTE_ADDR": f"198.18.{next(_ADDRESSES) // 250 % 250}.{next(_ADDRESSES) % 250}",
        }  # fmt: skip
        if row.door == "console":
            send, options["data"] = self.client.post if method == "POST" else self._plain(method), dict(sent)
        else:
            send = self._plain(method)
            if method not in {"GET", "HEAD"}:
                options |= {"data": json.dumps(sent), "content_type": "application/json"}
        answer = send(route.address(**self.values(route, row, whose)), **options)
        # What is streamed happens while it is read.
        answer.told = b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)
        return answer

    def fill(self, route: Route, row: Row, whose: str) -> dict[str, Any]:
        """Return what a person who may would send: the form that the page shows them, filled in."""
        if not row.fills:
            return {}
        rule, thing = row.rules["POST"], self.thing(row, whose) if row.on else self.places
        able = sorted((rule.may & row.rules["GET"].may) - {"approver"})
        seen = SIBLING if whose == SIBLING and "admin" in able else OWN
        answer = self.ask(route, row, "GET", able[0], seen) if able else None
        form = answer.context.get("form") if answer is not None and answer.context else None
        filled = _filled(form) if isinstance(form, forms.BaseForm) else {}
        # What the own page carried in its address, a foreign one carries of its own object.
        carried = {name: value for name, value in _read(rule.query, thing).items() if name in filled}
        return filled | carried | dict(_read(rule.body, thing))

    def _plain(self, method: str) -> Any:
        return getattr(self.client, method.lower())


def same(one: Any, other: Any) -> bool:
    """Say whether two answers tell a caller the same, apart from what they asked for and the request's id."""
    return (one.status_code, _text(one), _headers(one)) == (other.status_code, _text(other), _headers(other))


def _text(answer: Any) -> bytes:
    path = answer.wsgi_request.path.encode()
    content = answer.told.replace(path, b"").replace(json.dumps(path.decode())[1:-1].encode(), b"")
    return _CSRF.sub(b"", _PASSING.sub(b"", content))


def _headers(answer: Any) -> dict[str, str]:
    passing = {"X-Request-ID", "Content-Security-Policy", "Content-Length"}
    return {name: value for name, value in answer.items() if name not in passing}


def _cookies(user: User) -> SimpleCookie:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    client.cookies["csrftoken"] = TOKEN
    return SimpleCookie({name: morsel.value for name, morsel in client.cookies.items()})


def _read(body: Body | None, thing: Any) -> Mapping[str, Any]:
    if body is None:
        return {}
    return body(thing) if callable(body) else body


def _named(thing: Model) -> dict[str, Any]:
    """Return an object's names, as addresses have them."""
    found = {"object_id": thing.pk, "id": thing.pk, "action_id": thing.pk, "command_id": thing.pk, "run": thing.pk}
    found["request_id"] = found["instance_id"] = thing.pk
    found |= {name: getattr(thing, name) for name in ("slug", "public_id", "number") if hasattr(thing, name)}
    match thing._meta.label:
        case "runs.Step":
            found["run"] = thing.run_id  # type: ignore[attr-defined]
        case "registry.Command":
            found["slug"] = thing.agent.slug  # type: ignore[attr-defined]
    return found


def _other(value: Any) -> Any:
    """Return a name of the same form that nothing has."""
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=value.int ^ 0xFFFF)
    return 987_654 if isinstance(value, int) else "nobody-has-this"


def _filled(form: forms.BaseForm) -> dict[str, Any]:
    found = {}
    for name, field in form.fields.items():
        value = form[name].value()
        if value in (None, "", []) and field.required:
            value = _sample(field)
        if value is not False and value not in (None, ""):
            found[form.add_prefix(name)] = value
    return found


def _sample(field: forms.Field) -> Any:
    if isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
        return [next(iter(field.choices))[0]]
    if isinstance(field, forms.ChoiceField):
        return next(value for value, _ in field.choices if value)
    if isinstance(field, forms.IntegerField | forms.DecimalField):
        return field.min_value or 1
    return True if isinstance(field, forms.BooleanField) else "because"
