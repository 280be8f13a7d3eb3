"""What stands around every page: counts, the banner, the palette, saved views, where people land, errors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from approvals.models import ApprovalRequest
from approvals.operations.opening import current_revision
from audit.ids import floor_id
from audit.models import Entry
from controlplane.console import errors
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import FRAGMENT
from policies.models import Decision
from registry.models import Agent, AgentVersion, KillSwitch, SavedView, User
from registry.operations import kill, save_view, set_role
from registry.operations.preferences import MOST_VIEWS
from registry.states import KillScope
from runs.models import Failure, Run, Step
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.crowd import multiply
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.scene import Scene

pytestmark = pytest.mark.slow


@pytest.fixture
def full(db: None) -> Scene:
    return make_full_scene()


def text(client: Client, url: str, **data: str) -> str:
    answer = client.get(url, data)
    assert answer.status_code == 200, url
    return answer.content.decode()


def search(client: Client, term: str) -> str:
    return client.get("/search/", {"s": term}, headers={FRAGMENT: "1"}).content.decode()


def test_people_land_where_their_work_is(full: Scene, visit: Visit) -> None:
    world = full.world
    places = {
        world.reviewer: list_of(ApprovalRequest), world.auditor: list_of(Entry),
    }  # fmt: skip
    for person, url in places.items():
        answer = visit(person).get("/")
        assert (answer.status_code, answer.headers["Location"]) == (302, url)
    for person in (world.admin, world.operator, world.owner):
        assert "Needs you now" in text(visit(person), "/")
    assert "Needs you now" in text(visit(world.reviewer), "/home/")


def test_home_names_what_needs_the_person_first(full: Scene, visit: Visit) -> None:
    failure = Failure.objects.filter(state="new").order_by("-last_seen")[0]
    home = text(visit(full.world.operator), "/")
    assert page_of(failure) in home
    assert "applier-day" in home
    assert page_of(failure) not in text(visit(full.world.stranger), "/")
    assert "Nothing needs you." in text(visit(full.world.stranger), "/")


def test_the_tab_title_and_the_sidebar_count_what_waits_for_me(full: Scene, visit: Visit) -> None:
    mine = text(visit(full.world.reviewer), list_of(ApprovalRequest))
    assert "<title>(2) " in mine
    assert '<span class="cp-badge">2<' in mine
    assert "<title>(" not in text(visit(full.world.auditor), list_of(ApprovalRequest))


def test_the_keys_lead_to_no_page_that_the_person_does_not_have(full: Scene, visit: Visit) -> None:
    told = {user.role: text(visit(user), "/home/") for user in (full.world.reviewer, full.world.auditor)}
    assert ("Home, Approvals<" in told["reviewer"], "Policies, Costs, Audit" in told["reviewer"]) == (True, False)
    assert ("Home, Approvals<" in told["auditor"], "Policies, Costs, Audit" in told["auditor"]) == (False, True)


def test_a_kill_switch_is_announced_to_whom_it_concerns(full: Scene, visit: Visit) -> None:
    world = full.world
    switch = KillSwitch.objects.in_force().get()
    assert "Team billing is paused" in text(visit(world.stranger), "/home/")
    assert page_of(switch, "lift") in text(visit(world.admin), list_of(Run))
    assert "is paused" not in text(visit(world.operator), "/home/")
    kill(scope=KillScope.ALL, value="", reason="<b>Fire</b>", by=world.admin, now=full.now)
    for person in (world.admin, world.operator, world.owner, world.reviewer, world.auditor, world.stranger):
        shown = text(visit(person), "/home/")
        assert "Everything is paused" in shown
        assert "<b>Fire" not in shown


def test_pausing_everything_takes_the_sentence_and_the_right(full: Scene, visit: Visit) -> None:
    admin, url = visit(full.world.admin), reverse("admin:pause_everything")
    assert url in text(admin, "/home/")
    assert "1 agent, 0 running" in text(admin, url)
    for given in ("", "pause", "Pause Everything!"):
        assert admin.post(url, {"reason": "Fire", "confirmation": given}).status_code == 422
    assert admin.post(url, {"reason": "", "confirmation": "pause everything"}).status_code == 422
    assert not KillSwitch.objects.filter(scope=KillScope.ALL).exists()
    operator = visit(full.world.operator)
    assert url not in text(operator, "/home/")
    assert operator.post(url, {"reason": "Fire", "confirmation": "pause everything"}).status_code == 403
    assert admin.post(url, {"reason": "Fire", "confirmation": "pause everything"}).status_code == 302
    assert KillSwitch.objects.in_force().get(scope=KillScope.ALL).thrown_by == full.world.admin
    assert Entry.objects.filter(kind__startswith="kill", actor_id=full.world.admin.username).exists()
    assert full.submit().effect == "deny"


def test_a_trail_that_is_sealed_late_is_said_on_every_page(full: Scene, visit: Visit) -> None:
    client = visit(full.world.operator)
    assert "cp-lag" not in text(client, "/home/")
    old = full.now - timedelta(minutes=5)

    def backdate(place: int, copy: Entry) -> None:
        copy.pk, copy.at = floor_id(old), old

    multiply(Entry, 1, backdate)
    assert "The trail is sealed more than 30 s late." in text(client, "/home/")


@override_settings(CONSOLE_LABEL="rehearsal <1>")
def test_the_header_names_the_installation(full: Scene, visit: Visit) -> None:
    assert '<span class="cp-environment">rehearsal &lt;1&gt;</span>' in text(visit(full.world.owner), "/home/")


def test_tabs_count_what_they_show_under_the_other_filters(full: Scene, visit: Visit) -> None:
    client = visit(full.world.admin)
    assert 'Failed <span class="cp-count">1<' in text(client, list_of(Run))
    assert 'Failed <span class="cp-count">0<' in text(client, list_of(Run), agent="nobody")
    assert "cp-count" not in text(client, list_of(Run), q="job")


def test_what_narrows_a_list_is_cleared_one_by_one(full: Scene, visit: Visit) -> None:
    client = visit(full.world.admin)
    shown = text(client, list_of(Run), q="zzz", status__exact="failed", show="failed")
    assert "No runs match." in shown
    assert '<a class="cp-button" href="?show=failed&amp;status__exact=failed">Clear search: zzz</a>' in shown
    assert 'href="?q=zzz&amp;show=failed">Clear status: Failed</a>' in shown
    assert "e=1" in client.get(list_of(Run), {"no_such_field": "1"}, follow=True).redirect_chain[-1][0]


def test_views_are_saved_found_and_forgotten_by_their_own_person(full: Scene, visit: Visit) -> None:
    owner, url = visit(full.world.owner), reverse("admin:save_view")
    query = "agent=job-applier&show=failed"
    where = f"{url}?page=runs.run&query=agent%3Djob-applier%26show%3Dfailed%26after%3Dabc"
    assert owner.post(where, {"name": "Mine <b>"}).status_code == 302
    view = SavedView.objects.get(user=full.world.owner)
    assert (view.query, view.page) == (query, "runs.run")
    assert Entry.objects.filter(kind="view.saved", object_id="talent-lead/runs.run/Mine <b>").count() == 1
    shown = text(owner, list_of(Run), show="failed", agent="job-applier")
    assert "Mine &lt;b&gt;" in shown
    assert "Mine" not in text(visit(full.world.operator), list_of(Run))
    forget = reverse("admin:forget_view", args=[view.pk])
    assert visit(full.world.operator).get(forget).status_code == 404
    assert visit(full.world.operator).post(forget).status_code == 404
    assert owner.get(forget).status_code == 200
    assert owner.post(forget).status_code == 302
    assert not SavedView.objects.filter(pk=view.pk).exists()
    assert Entry.objects.filter(kind="view.forgotten").count() == 1


@pytest.mark.parametrize("page", ["", "runs.nothing", "registry.user", "auth.group", "runs.run\0"])
def test_no_view_of_a_page_that_the_person_does_not_have(full: Scene, visit: Visit, page: str) -> None:
    client = visit(full.world.operator)
    assert client.post(f"{reverse('admin:save_view')}?page={page}", {"name": "x"}).status_code == 404
    assert not SavedView.objects.filter(user=full.world.operator).exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\u202eb", "a\0b"])
def test_a_view_has_a_name_that_can_be_read(full: Scene, visit: Visit, name: str) -> None:
    where = f"{reverse('admin:save_view')}?page=runs.run&query=show%3Dall"
    assert visit(full.world.owner).post(where, {"name": name}).status_code == 422
    assert not SavedView.objects.filter(user=full.world.owner).exists()


def test_views_are_bounded(full: Scene, visit: Visit) -> None:
    for number in range(MOST_VIEWS):
        save_view(page="runs.run", name=f"view {number}", query="", by=full.world.owner, now=full.now)
    where = f"{reverse('admin:save_view')}?page=runs.run&query="
    assert visit(full.world.owner).post(where, {"name": "one more"}).status_code == 409
    assert visit(full.world.owner).post(where, {"name": "view 3"}).status_code == 302
    assert SavedView.objects.filter(user=full.world.owner).count() == MOST_VIEWS


def test_shortcuts_are_turned_off_for_oneself_and_the_trail_says_so(full: Scene, visit: Visit) -> None:
    client, url = visit(full.world.owner), reverse("admin:shortcuts")
    assert "cp-quiet" not in text(client, "/home/")
    assert client.post(url, {}).status_code == 302
    assert "cp-quiet" in text(client, "/home/")
    assert User.objects.get(pk=full.world.owner.pk).shortcuts is False
    assert Entry.objects.filter(kind="person.shortcuts_set").count() == 1
    assert client.post(url, {}).status_code == 302
    assert Entry.objects.filter(kind="person.shortcuts_set").count() == 1
    assert "cp-quiet" not in text(visit(full.world.operator), "/home/")


def test_the_palette_finds_names_pages_actions_ids_and_digests(full: Scene, visit: Visit) -> None:
    admin = visit(full.world.admin)
    request = ApprovalRequest.objects.open().order_by("id")[0]
    run, decision = Run.objects.get(), Decision.objects.order_by("id")[0]
    version = AgentVersion.objects.filter(agent=full.world.agent).latest("number")
    step, failure = Step.objects.filter(run=run)[0], Failure.objects.all()[0]
    for found, url in ((step, page_of(run)), (failure, page_of(failure))):
        assert url in search(admin, str(found.pk)), found
    digest = current_revision(request).digest
    for term, url in (
        ("job-app", page_of(full.world.agent)), ("talent", page_of(full.world.team)), ("runs", list_of(Run)),
        ("email", page_of(request)), (str(run.pk), page_of(run)), (run.pk.hex, page_of(run)),
        (str(decision.pk).upper(), page_of(decision)), (digest, page_of(request)),
        (f"sha256:{digest}", page_of(request)), (version.checksum, page_of(version)),
        ("pause every", reverse("admin:pause_everything")), ("run-1", page_of(run)),
    ):  # fmt: skip
        assert url in search(admin, term), term
    assert "Nothing that you may see" in search(admin, "zzz\0<script>")
    assert "<script>" not in search(admin, "<script>")
    assert "no-store" in admin.get("/search/?s=job").headers["Cache-Control"]
    assert text(admin, "/search/", s="job").count("<main") == 1


def test_the_palette_shows_eight_of_a_kind(full: Scene, visit: Visit) -> None:
    multiply(Agent, 20)
    assert search(visit(full.world.admin), "job-applier").count('href="/registry/agent/') == 8


def test_the_palette_forgets_with_the_right(full: Scene, visit: Visit) -> None:
    world = full.world
    operator, run = visit(world.operator), Run.objects.get()
    assert page_of(world.agent) in search(operator, "job-app")
    for person in (world.stranger, world.reviewer):
        found = search(visit(person), "job-app") + search(visit(person), str(run.pk))
        assert page_of(world.agent) not in found
        assert page_of(run) not in found
    world.team.members.remove(world.operator)
    set_role(user=world.operator, role="reviewer", by=world.admin, now=full.now)
    assert page_of(world.agent) not in search(operator, "job-app")
    assert page_of(run) not in search(operator, str(run.pk))


def test_errors_name_the_request_and_say_that_nothing_was_decided(full: Scene, visit: Visit) -> None:
    client = visit(full.world.reviewer)
    for url, status in (
        ("/nothing/", 404),
        (list_of(Agent), 403),
        (f"{list_of(ApprovalRequest)}?agent__owner__password__startswith=x", 400),
    ):
        answer = client.get(url, headers={"X-Request-ID": "given-by-a-test"})
        assert answer.status_code == status, url
        assert "given-by-a-test" in answer.content.decode(), url
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    refused = strict.post(reverse("admin:shortcuts"), {}, headers={"X-Request-ID": "given-by-a-test"})
    assert refused.status_code == 403
    assert "given-by-a-test" in refused.content.decode()


@pytest.mark.parametrize(("error", "status"), [(OperationalError("locked"), 503), (ValueError("secret words"), 500)])
def test_what_is_unexpected_is_answered_without_database_or_secrets(error: Exception, status: int) -> None:
    request = RequestFactory().get("/", headers={"X-Request-ID": "given-by-a-test"})
    try:
        raise error
    except (OperationalError, ValueError):
        answer = errors.server_error(request)
    assert answer.status_code == status
    shown = answer.content.decode()
    assert "Nothing was decided." in shown
    assert "given-by-a-test" in shown
    assert str(error) not in shown
    assert ("Retry-After" in answer.headers) is (status == 503)
