"""What waits for a person on Home: no kind is hidden by another, and what is not shown is counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from approvals.models import ApprovalRequest, Grant
from approvals.operations import grant_break_glass
from approvals.operations.grants import mark_silent
from approvals.tasks import CLOCK
from controlplane.console.admins import list_of, page_of
from controlplane.console.needs import KINDS, MOST_SHOWN, Need, most_urgent
from costs.models import Budget
from registry.models import AgentKey
from registry.operations import issue_key
from runs.models import Failure
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import seen
from tests.controlplane.console.test_pages import report
from tests.world import NOW, make_person, make_team

FRAGMENT = {"X-Console-Dialog": "1"}


def need(kind: str, hours: int | None, text: str = "") -> Need:
    due = None if hours is None else NOW + timedelta(hours=hours)
    return Need(kind, "", text, due, due, "", "")


def test_there_is_a_place_for_every_kind() -> None:
    assert len(KINDS) <= MOST_SHOWN


def test_of_every_kind_the_first_is_shown_whatever_waits_elsewhere() -> None:
    found = {
        "approval": [need("approval", hours) for hours in range(1, 10)],
        "failure": [need("failure", None), need("failure", None)],
        "key": [need("key", 100)],
    }
    shown = most_urgent(found, now=NOW)
    assert [each.kind for each in shown] == ["approval"] * 5 + ["failure", "key"]


def test_the_soonest_stands_on_top_and_what_has_no_deadline_where_today_ends() -> None:
    found = {
        "approval": [need("approval", 3), need("approval", 30)],
        "grant": [need("grant", None)],
        "budget": [need("budget", None)],
        "failure": [need("failure", None)],
        "key": [need("key", 2), need("key", 29)],
    }
    kinds = [each.kind for each in most_urgent(found, now=NOW)]
    assert kinds == ["key", "approval", "grant", "budget", "failure", "key", "approval"]


@pytest.mark.slow
def test_many_approvals_hide_nothing_else_and_the_rest_is_counted(scene: Scene, visit: Visit) -> None:
    world, now = scene.world, scene.now
    person = make_person("third", "operator", now=now)
    make_team("talent", world.owner, world.reviewer, person, lead=world.owner, by=world.admin, now=now)
    held = [scene.hold(f"Application {number}") for number in range(9)]
    report(scene)
    unknown = silent(scene)
    key, _ = issue_key(agent=world.agent, environment="production", scopes=["act"], days=3, by=world.admin, now=now)
    scene.budget("spent", limit_usd="0.10", at_limit="alert")
    scene.spend(41)
    scene.roll_up()
    first = Failure.objects.order_by("-last_seen", "-id")[0]
    client = visit(person)
    for home in (client.get("/home/"), client.get("/home/", headers=FRAGMENT)):
        shown = home.content.decode()
        for row in (held[0], unknown, Budget.objects.get(), first, key):
            assert page_of(row) in shown, row
        assert shown.count('class="cp-button" href="/approvals/approvalrequest/') == 3
        assert f'<a href="{list_of(ApprovalRequest, "show=mine")}">6 more approvals</a>' in shown
        assert f'<a href="{list_of(Failure, "show=triage")}">1 more failure</a>' in shown
    alone = visit(world.reviewer).get("/home/", headers=FRAGMENT).content.decode()
    assert "2 more approvals" in alone
    assert page_of(first) not in alone


def silent(scene: Scene) -> Grant:
    """Have a grant, which a plain permission uses up at once, of whose outcome nobody said anything."""
    grant = Grant.objects.get(decision=scene.submit())
    mark_silent(grant=grant, by=CLOCK, now=scene.now)
    return grant


@pytest.mark.slow
def test_each_list_of_more_holds_what_home_counts(scene: Scene, visit: Visit) -> None:
    world, now = scene.world, scene.now
    grant = silent(scene)
    ends, _ = issue_key(agent=world.agent, environment="production", scopes=["act"], days=3, by=world.admin, now=now)
    client = visit(world.admin)
    keys = client.get(list_of(AgentKey, "ends=soon")).content.decode()
    assert page_of(ends) in keys
    assert page_of(world.key) not in keys
    assert page_of(world.key) in client.get(list_of(AgentKey)).content.decode()
    assert page_of(grant) in client.get(list_of(Grant, "state__exact=outcome_unknown")).content.decode()


@pytest.mark.slow
def test_what_was_approved_in_the_reviewers_place_is_told_for_a_day(scene: Scene, visit: Visit) -> None:
    world = scene.world
    request = scene.hold()
    chief = make_person("chief", "admin", now=scene.now)
    grant_break_glass(user=chief, by=world.admin, now=scene.now)
    client = visit(chief)
    client.post(page_of(request, "break-glass"), {"reason": "Deadline"})
    order = {"reason": "Deadline", "destination": "email:jane@acme.com", "confirmed_amount": "", **seen(request)}
    assert client.post(page_of(request, "overrule"), order).status_code == 302
    told = "chief approved email.send by job-applier in the reviewers’ place"
    for who, is_told in (
        (world.admin, True), (world.operator, True), (world.owner, True), (chief, False), (world.reviewer, False),
        (world.stranger, False), (world.auditor, False),
    ):  # fmt: skip
        assert (told in visit(who).get("/home/", headers=FRAGMENT).content.decode()) is is_told, who
    listed = visit(world.operator).get(list_of(ApprovalRequest, "show=all&overridden_by__isnull=0"))
    assert page_of(request) in listed.content.decode()
    ApprovalRequest.objects.update(closed_at=scene.now - timedelta(hours=25))
    assert told not in visit(world.operator).get("/home/", headers=FRAGMENT).content.decode()
