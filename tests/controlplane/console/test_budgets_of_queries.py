"""Lists and pages ask the database the same number of questions, whatever they hold."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.models import ApprovalRequest
from approvals.operations import vote
from approvals.operations.requests import current_revision
from approvals.states import Verdict
from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from controlplane.console.lists import Tab
from controlplane.console.map import PAGES
from registry.authentication import authenticate
from registry.models import KillSwitch
from registry.operations import create_version, kill, lift, pause_agent, resume_agent, send_command
from registry.states import KillScope
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.world import make_agent, make_key, make_person, make_team


def fill(scene: Scene, start: int, end: int) -> None:
    """Make every list longer, from one number of rows to another."""
    world, now = scene.world, scene.now
    principal = authenticate(world.text, now=now)
    assert principal is not None
    for number in range(start, end):
        scene.submit()
        request = scene.hold()
        if number % 3:
            digest = current_revision(request).digest
            vote(
                request_id=request.pk,
                revision=1,
                verdict=Verdict.REJECT,
                digest=digest,
                comment="",
                by=world.second,
                now=now,
            )
        if number % 4 == 0:
            agent = make_agent(f"agent-{number}", owner=world.owner, team=world.team, by=world.admin, now=now)
            make_key(agent, by=world.operator, now=now)
            create_version(agent=agent, definition={}, by=world.operator, now=now)
            send_command(agent=agent, kind="stop", by=world.operator, now=now)
            pause_agent(agent=agent, reason="", by=world.operator, now=now)
            resume_agent(agent=agent, by=world.operator, now=now)
            kill(scope=KillScope.AGENT, value=agent.slug, reason="x", by=world.operator, now=now)
            member = make_person(f"person-{number}", "reviewer", now=now)
            make_team(f"team-{number}", member, lead=member, by=world.admin, now=now)
        scene.spend(1)
    items = []
    for number in range(start, end):
        at = now.isoformat()
        failed = {"status": "failed", "error": {"type": f"E{number}", "message": "broken"}}
        items.append(
            {
                "type": "run",
                "event_id": f"r{number}",
                "trigger": {"source": "test"},
                "started_at": at,
                "ended_at": at,
                **failed,
            }
        )
        items.append(
            {
                "type": "step",
                "event_id": f"s{number}",
                "run_id": "r0",
                "name": "work",
                "kind": "tool",
                "started_at": at,
                "duration_ms": 5,
                "status": "succeeded",
            }
        )
    outcome = gateway.ingest(principal=principal, items=items)
    assert {str(result.status) for result in outcome.results} == {"created"}
    for switch in KillSwitch.objects.in_force():
        lift(switch=switch, by=world.admin, now=now)


def has_tabs(model: type[Model]) -> bool:
    """Say whether a list has tabs."""
    return any(isinstance(each, type) and issubclass(each, Tab) for each in PAGES[model].list_filter)


def everything(model: type[Model]) -> str:
    """Return the address of a list with its widest tab open."""
    return list_of(model, "show=all" if has_tabs(model) else "")


def asked(client: Client, url: str) -> int:
    """Count the queries of one page."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200, url
    return len(queries)


def measure(scene: Scene, client: Client) -> dict[str, int]:
    """Count the queries of every list and of the pages that are drawn."""
    models: list[type[Model]] = list(PAGES)
    found = {f"{model.__name__} list": asked(client, everything(model)) for model in models}
    found["home"] = asked(client, "/")
    found["agent page"] = asked(client, page_of(scene.world.agent))
    found["approval page"] = asked(client, page_of(ApprovalRequest.objects.open().order_by("id")[0]))
    for name, model in (("decision", "Decision"), ("run", "Run"), ("failure", "Failure"), ("team", "Team")):
        kind = next(each for each in models if each.__name__ == model)
        found[f"{name} page"] = asked(client, page_of(kind._default_manager.order_by("pk")[0]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "end"), [(4, 12), (10, 100)])
def test_queries_do_not_grow_with_rows(scene: Scene, visit: Visit, begin: int, end: int) -> None:
    scene.budget()
    client = visit(scene.world.operator)
    admin = visit(scene.world.admin)
    fill(scene, 0, begin)
    # What a process remembers (content types, a parser's tables) is there before anything is counted.
    client.get("/")
    admin.get(page_of(scene.world.agent))
    few = {**measure(scene, admin), "home of an operator": asked(client, "/")}
    fill(scene, begin, end)
    many = {**measure(scene, admin), "home of an operator": asked(client, "/")}
    assert {name: (few[name], many[name]) for name in few if few[name] != many[name]} == {}
    # A page that begins to ask more shows here, and has to say why.
    over = {name: number for name, number in many.items() if number > (45 if name == "agent page" else 30)}
    assert over == {}
