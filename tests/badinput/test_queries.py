"""Query strings, addresses and cursors that mean nothing: 400 and never 500, on every read; and Django's own errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.test import override_settings

from audit import sql
from policies.models import Revision
from policies.operations import save_trigger
from tests.badinput.refusing import nothing_written, refused
from tests.badinput.routes import READING, WRITING, Route, every_route
from tests.badinput.samples import NOWHERE
from tests.controlplane.api.callers import Caller, agent, nobody, person, problem
from tests.controlplane.api.scene import Scene

pytestmark = pytest.mark.slow

READS = sorted(every_route(READING))
LISTS = [route for route in READS if any(each["name"] == "cursor" for each in route.described.get("parameters", ()))]
_PLACES = {"slug": "job-applier"}


def _caller(scene: Scene, route: Route) -> Caller:
    by_key = route.described["security"] == [{"agentKey": []}]
    return agent(scene.world.text) if by_key else person(scene.world.admin)


def _address(scene: Scene, route: Route) -> str:
    known = {"slug": "job-applier"} if "agents" in route.path else {}
    if route.path.endswith("steps"):
        run = person(scene.world.admin).get("/runs").json()["results"][0]["id"]
        known = {"run": run}
    if route.path.endswith("replays"):
        known = {"number": Revision.objects.get(state="published").number}
    if "triggers" in route.path:
        document = {"count": "denials", "agent": "job-applier", "more_than": 1, "per": "1h"}
        known = {"slug": save_trigger(slug="many", document=document, by=scene.world.admin, now=sql.now()).slug}
    return route.fill({name: known.get(name, NOWHERE[kind]) for name, kind in route.variables.items()})


def _bad_values(parameter: dict[str, object]) -> Iterator[str]:
    schema = parameter["schema"]
    assert isinstance(schema, dict)
    yield from ("", "%00", "a%00b")
    if "enum" in schema or schema.get("format") in {"uuid", "date-time"} or schema["type"] in {"integer", "boolean"}:
        yield from ("no-such", "%F0%9F%92%A9", "'%20OR%201=1", "%FF", "x" * 5_000)
    if schema.get("format") == "date-time":
        yield from ("2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z", "99999-01-01T00:00:00Z")
    if schema["type"] == "integer":
        yield from ("0", "-1", "201", "1.5", "1e2", "٣", "9" * 40)


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_a_list_refuses_what_it_does_not_know(scene: Scene, route: Route) -> None:
    caller, address = _caller(scene, route), _address(scene, route)
    assert caller.get(address).status_code == 200
    with nothing_written():
        for parameter in route.described["parameters"]:
            if parameter["in"] != "query":
                continue
            name = parameter["name"]
            for value in _bad_values(parameter):
                refused(caller.get(f"{address}?{name}={value}"), 400, "bad_query", family="parameters")
            refused(caller.get(f"{address}?{name}=a&{name}=b"), 400, "bad_query", family="parameters")
        for unknown in ("surplus=1", "page=2", "limit=1", "%00=1", "format=api", "a%00b=1", "owner__password=x", "=1"):
            refused(caller.get(f"{address}?{unknown}"), 400, "bad_query", family="parameters")
        for ordering in ("password", "-", "owner__password", "id;drop", "%00", "--id", "?"):
            refused(caller.get(f"{address}?ordering={quote(ordering, safe='%')}"), 400, "bad_query", family="ordering")


def _cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_a_cursor_that_is_none_of_ours_is_refused(scene: Scene, route: Route) -> None:
    caller, address = _caller(scene, route), _address(scene, route)
    ordering = next(each for each in route.described["parameters"] if each["name"] == "ordering")["schema"]
    first = ordering.get("default") or ordering["enum"][0]
    with nothing_written():
        for token in (
            "x", "%FF", "a" * 5_000, "====", _cursor(None), _cursor([]), _cursor({}), _cursor([first]),
            _cursor([first, None, None]), _cursor([first, [], {}]), _cursor([first, True, False]),
            _cursor([first, "\x00", "\x00"]), _cursor([first, "a\ud800", "b"]), _cursor([first, 1e999, 1]),
            _cursor([first, 10**400, 10**400]), _cursor(["password", "a", "b"]), _cursor([["x"], 1, 2]),
            base64.urlsafe_b64encode(b"[" * 100_000).decode(), base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        ):  # fmt: skip
            refused(caller.get(f"{address}?cursor={quote(token, safe='%')}"), 400, "bad_query", family="cursors")


@pytest.mark.parametrize("route", [each for each in READS if each not in LISTS], ids=str)
def test_a_read_of_one_thing_takes_no_other_parameters(scene: Scene, route: Route) -> None:
    caller, address = _caller(scene, route), _address(scene, route)
    missing = 404 if route.variables else 400
    for query in ("surplus=1", "%00=1", "wait=soon", "wait=-1", "wait=%00"):
        answer = caller.get(f"{address}?{query}")
        # An object that is not there is missing before anybody reads what else was asked.
        assert answer.status_code in {400, missing}, (query, answer.content)
        refused(answer, answer.status_code, family="parameters")


@pytest.mark.parametrize("route", [each for each in [*READS, *sorted(every_route(WRITING))] if each.variables], ids=str)
def test_addresses_that_name_nothing_are_missing_and_never_break(scene: Scene, route: Route) -> None:
    caller = _caller(scene, route)
    names = (
        "%00",
        "a%00b",
        "%FF",
        "%ED%A0%80",
        "..",
        "%2e%2e%2f",
        "-1",
        "9" * 40,
        "é",
        "%0A",
        "x%0Ay",
        "x" * 3_000,
        "'--",
        "%25",
    )
    with nothing_written():
        for bad in names:
            path = route.fill(dict.fromkeys(route.variables, bad))
            answer = caller.send(route.method, path, {"reason": "r"} if route.method != "GET" else None)
            # Where the object is sought after the body is read, its defects come first.
            assert answer.status_code in {404, 422}, (path, answer.content)
            refused(answer, answer.status_code, family="addresses")


def test_errors_of_django_are_problems_on_api_paths_and_small_pages_elsewhere(scene: Scene) -> None:
    admin = person(scene.world.admin)
    with override_settings(ALLOWED_HOSTS=["console.example.com"]):
        problem(nobody().get("/self", Host="evil.example.com"), 400, "malformed")
        _page(nobody().client.get("/login/", headers={"Host": "evil.example.com"}), 400)
    bare = Caller(admin.client, {})
    problem(bare.send("POST", "/agents/job-applier/pause", {"reason": "r"}), 403, "forbidden")
    _page(admin.client.post("/password_change/", {}), 403)
    problem(admin.get("/nothing"), 404, "not_found")
    for path in ("/nothing/here/", "/registry/agent/999999/", "/registry/agent/%00/", "/registry/nothing/"):
        _page(admin.client.get(path), 404, but=302)
    problem(admin.send("POST", "/agents"), 405, "method_not_allowed")
    _page(admin.client.put("/healthz", headers={"X-CSRFToken": "t" * 32}), 405)
    problem(agent(scene.world.text).send("POST", "/ingest", raw=b" " * (6 * 1024 * 1024)), 413, "too_large")
    _page(admin.client.post("/login/", {"username": "x" * (6 * 1024 * 1024)}), 400, but=413)


@override_settings(ROOT_URLCONF="tests.controlplane.api.broken_urls")
def test_what_breaks_elsewhere_is_a_small_page_with_the_requests_id(scene: Scene) -> None:
    for cause, status in (("bug", 500), ("operational", 503), ("denied", 403), ("missing", 404), ("suspicious", 400)):
        _page(nobody().client.get(f"/elsewhere/{cause}"), status)


def _page(answer: object, status: int, *, but: int | None = None) -> None:
    """Look at a page of an error: small, HTML, with the request's id and nothing of what went wrong."""
    assert getattr(answer, "status_code", None) in {status, but}, answer
    if getattr(answer, "status_code", None) == 302:
        return
    text = answer.content.decode()  # type: ignore[attr-defined]
    assert answer["Content-Type"].startswith("text/html")  # type: ignore[index]
    assert answer["X-Request-ID"] in text, text[:2000]  # type: ignore[index]
    assert len(text) < 60_000
    assert "secret detail" not in text
    assert "Traceback" not in text
