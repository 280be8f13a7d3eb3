"""Forms of people, teams and verbs."""

from __future__ import annotations

import pytest
from django.urls import reverse

from approvals.permissions import BREAK_GLASS
from audit.models import Entry
from controlplane.console.admins import page_of
from costs.permissions import PRICE
from registry.models import Team, User, Verb
from registry.rights import Right
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.forms import over

pytestmark = pytest.mark.slow
AWAY = ("operator", "owner", "reviewer", "auditor")
NINA = {"username": "nina", "first_name": "Nina", "email": "nina@example.com", "role": "operator"}


def has_entry(kind: str) -> bool:
    return Entry.objects.filter(kind=kind).exists()


def test_a_person_is_created_and_the_password_told_once(scene: Scene, visit: Visit) -> None:
    url, client = reverse("admin:registry_user_create"), visit(scene.world.admin)
    answer = client.post(url, {**NINA, "teams": [scene.world.team.pk]})
    nina = User.objects.get(username="nina")
    password = answer.content.decode().split("data-select>")[1].split("<")[0]
    assert nina.check_password(password)
    assert nina.must_change_password
    assert "no-store" in answer.headers["Cache-Control"]
    page = client.get(page_of(nina)).content.decode()
    assert "Operates the agents of talent." in page
    assert password not in page
    assert client.post(url, NINA).status_code == 409
    bad = client.post(url, {**NINA, "username": "no spaces", "email": "nonsense"})
    assert (bad.status_code, "Enter a valid email" in bad.content.decode()) == (422, True)
    assert has_entry("person.created")


def test_a_person_is_edited_reset_shut_out_and_let_in(scene: Scene, visit: Visit) -> None:
    person, client = scene.world.reviewer, visit(scene.world.admin)
    data = {"first_name": "R", "last_name": "V", "email": "", "role": "operator", "teams": [scene.world.other.pk]}
    assert client.post(page_of(person, "edit"), over(client, page_of(person, "edit"), data)).status_code == 302
    person.refresh_from_db()
    assert (person.role, list(person.teams.values_list("slug", flat=True))) == ("operator", ["billing"])
    told = client.post(page_of(person, "reset-password")).content.decode()
    person.refresh_from_db()
    assert person.check_password(told.split("data-select>")[1].split("<")[0])
    assert client.post(page_of(person, "deactivate")).status_code == 302
    assert "the account is deactivated" in client.get(page_of(person)).content.decode()
    assert client.post(page_of(person, "reactivate")).status_code == 302
    only = client.post(page_of(scene.world.admin, "deactivate"))
    assert (only.status_code, "the only active administrator" in only.content.decode()) == (409, True)
    edit = page_of(scene.world.owner, "edit")
    lead = client.post(edit, over(client, edit, {**data, "role": "owner", "teams": []}))
    assert (lead.status_code, "leads talent" in lead.content.decode()) == (409, True)
    for kind in ("person.role_changed", "person.teams_changed", "person.password_changed", "person.deactivated"):
        assert has_entry(kind), kind


@pytest.mark.parametrize(
    ("name", "held", "kind"),
    [
        ("break-glass", BREAK_GLASS, "person.break_glass"),
        ("pricing", PRICE, "person.price"),
    ],
)
def test_a_right_is_given_and_taken_back(scene: Scene, visit: Visit, name: str, held: Right, kind: str) -> None:
    person, client = scene.world.operator, visit(scene.world.admin)
    address = page_of(person, name)
    assert 'value="yes"' in client.get(address).content.decode()
    assert client.post(address, {"give": "yes"}).status_code == 302
    assert held.held_by(person)
    # Who opened the dialog before that gives once more: it must not be taken away.
    assert client.post(address, {"give": "yes"}).status_code == 302
    assert held.held_by(person)
    assert 'value="no"' in client.get(address).content.decode()
    assert client.post(address, {"give": "perhaps"}).status_code == 422
    assert client.post(address, {"give": "no"}).status_code == 302
    assert not held.held_by(person)
    assert [Entry.objects.filter(kind=f"{kind}_{change}").count() for change in ("granted", "withdrawn")] == [1, 1]
    for role in AWAY:
        refused = visit(getattr(scene.world, role)).post(address, {"give": "yes"})
        assert refused.status_code in {403, 404}, role
    assert not held.held_by(person)


def test_nobody_gives_themselves_the_right_to_break_the_glass(scene: Scene, visit: Visit) -> None:
    answer = visit(scene.world.admin).post(page_of(scene.world.admin, "break-glass"), {"give": "yes"})
    assert (answer.status_code, "Another administrator" in answer.content.decode()) == (403, True)


@pytest.mark.parametrize("role", AWAY)
def test_only_administrators_manage_people_and_teams(scene: Scene, visit: Visit, role: str) -> None:
    client, before = visit(getattr(scene.world, role)), Entry.objects.count()
    person, team = scene.world.second, scene.world.team
    for url, data in (
        (reverse("admin:registry_user_create"), NINA),
        (page_of(person, "edit"), {"role": "admin"}),
        (page_of(person, "deactivate"), {}),
        (page_of(person, "reset-password"), {}),
        (reverse("admin:registry_team_create"), {"slug": "x", "name": "X"}),
        (page_of(team, "edit"), {"name": "X"}),
        (page_of(team, "publish"), {"person": scene.world.operator.pk, "may": "yes"}),
        (page_of(team, "delete"), {}),
    ):
        assert client.post(url, data).status_code in {403, 404}, url
    assert Entry.objects.count() == before


def test_a_team_is_created_changed_and_deleted(scene: Scene, visit: Visit) -> None:
    url, client, operator = reverse("admin:registry_team_create"), visit(scene.world.admin), scene.world.operator
    data = {"slug": "fresh", "name": "Fresh", "lead": operator.pk, "members": [operator.pk]}
    assert client.post(url, data).status_code == 302
    assert client.post(url, data).status_code == 409
    bad = client.post(url, {**data, "slug": "Not one", "lead": scene.world.owner.pk})
    assert (bad.status_code, "must be one of the members" in bad.content.decode()) == (422, True)
    team = Team.objects.get(slug="fresh")
    assert client.post(page_of(team, "publish"), {"person": operator.pk, "may": "yes"}).status_code == 302
    assert "operates and publishes" in client.get(page_of(team)).content.decode()
    renamed = over(client, page_of(team, "edit"), {"name": "Fresher", "members": []})
    assert client.post(page_of(team, "edit"), renamed).status_code == 302
    assert not Team.objects.published_by(operator).filter(pk=team.pk).exists()
    full = client.post(page_of(scene.world.team, "delete"))
    assert (full.status_code, "is not empty" in full.content.decode()) == (409, True)
    assert "agents" in full.content.decode()
    assert client.post(page_of(team, "delete")).status_code == 302
    assert not Team.objects.filter(slug="fresh").exists()
    assert has_entry("team.deleted")


def test_a_verb_is_added_changed_tried_and_reverted(scene: Scene, visit: Visit) -> None:
    url, client = reverse("admin:registry_verb_create"), visit(scene.world.admin)
    data = {"name": "sms.send", "capability": "notify", "destination": "/to/*", "destination_as": "phone"}
    data |= {"units": "count", "data_classes": "pii"}
    assert client.post(url, data).status_code == 302
    verb = Verb.objects.get(name="sms.send")
    assert verb.spec["destination"] == {"at": "/to/*", "as": "phone"}
    assert client.post(url, data).status_code == 409
    bad = client.post(url, {**data, "name": "x.y", "destination": "to"})
    assert (bad.status_code, "JSON pointer starts with /" in bad.content.decode()) == (422, True)
    tried = client.post(page_of(verb, "try"), {"payload": '{"to": ["+49 1", "+49 2"]}'}).content.decode()
    assert "phone:+49 1" in tried
    assert "<dt>Units</dt><dd>2</dd>" in tried
    missed = client.post(page_of(verb, "try"), {"payload": '{"cc": []}'}).content.decode()
    assert "declaration_mismatch" in missed
    assert client.post(page_of(verb, "try"), {"payload": "[1]"}).status_code == 422
    written = over(client, page_of(verb, "edit"), {**data, "capability": "write"})
    assert client.post(page_of(verb, "edit"), written).status_code == 302
    record = verb.history.last().history_id  # type: ignore[attr-defined]
    assert "Bring back…" in client.get(page_of(verb)).content.decode()
    assert client.post(f"{page_of(verb, 'revert')}?to={record}").status_code == 302
    verb.refresh_from_db()
    assert verb.spec["capability"] == "notify"
    assert has_entry("verb.reverted")


@pytest.mark.parametrize("role", AWAY)
def test_others_read_the_catalogue_and_try_it(scene: Scene, visit: Visit, role: str) -> None:
    client, verb = visit(getattr(scene.world, role)), Verb.objects.get(name="email.send")
    assert client.post(page_of(verb, "edit"), {"capability": "read"}).status_code == 403
    assert client.post(reverse("admin:registry_verb_create"), {"name": "a.b", "capability": "read"}).status_code == 403
    assert client.post(page_of(verb, "try"), {"payload": '{"to": ["a@b.example"]}'}).status_code == 200
