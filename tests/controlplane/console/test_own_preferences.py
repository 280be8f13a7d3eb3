"""One's own clock, quiet hours, delegate: asked for, kept, and how times are written then."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from audit.models import Entry
from controlplane.console import formats
from controlplane.console.admins import list_of, page_of
from registry.models import User
from registry.operations import save_view, set_clock
from runs.models import Run
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_failure_pages import report

CLOCK = {"zone": "Asia/Kathmandu", "quiet_from": "22:00", "quiet_until": "07:00"}


@pytest.mark.slow
def test_a_clock_is_set_shown_and_refused(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.reviewer), reverse("admin:clock")
    shown = client.get(url).content.decode()
    assert '<option value="UTC" selected>' in shown
    assert client.post(url, CLOCK).headers["Location"] == reverse("account")
    person = User.objects.get(pk=scene.world.reviewer.pk)
    assert (person.zone, f"{person.quiet_from:%H:%M}", f"{person.quiet_until:%H:%M}") == tuple(CLOCK.values())
    account = client.get(reverse("account")).content.decode()
    assert "22:00 to 07:00" in account
    for wrong, said in (
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"quiet_from": ""}, "a beginning and an end"),
        ({"quiet_from": "25:00"}, "Enter a valid time"),
        ({"quiet_from": "07:00"}, "until the same time"),
    ):
        answer = client.post(url, CLOCK | wrong)
        assert (answer.status_code, said in answer.content.decode()) == (422, True), wrong
    assert client.post(url, {"zone": "UTC"}).status_code == 302
    assert Entry.objects.filter(kind="person.clock_set", actor_id=person.username).count() == 2


@pytest.mark.slow
def test_a_delegate_is_named_by_the_persons_own_clock(scene: Scene, visit: Visit) -> None:
    world, url = scene.world, reverse("admin:delegate")
    set_clock(zone="Asia/Kathmandu", by=world.owner, now=scene.now)
    today, week = f"{scene.now:%Y-%m-%d}", f"{scene.now + timedelta(days=7):%Y-%m-%d}"
    form = {"to": world.operator.pk, "begins": f"{today}T10:00", "ends": f"{week}T18:00"}
    client = visit(world.owner)
    assert client.post(url, form).status_code == 302
    person = User.objects.get(pk=world.owner.pk)
    assert person.delegate == world.operator
    assert person.delegate_from == datetime.fromisoformat(f"{today}T04:15:00+00:00")
    shown = client.get(url).content.decode()
    assert f'value="{today}T10:00"' in shown
    assert f"{world.operator.username}, {today} 10:00:00 +0545" in client.get("/account/").content.decode()
    for wrong in ({"to": world.owner.pk}, {"to": world.stranger.pk}, {"ends": ""}, {"ends": "0001-01-01T00:00"},
                  {"begins": "9999-12-31T23:00", "ends": "9999-12-31T23:59"}, {"to": "\0"}):  # fmt: skip
        assert client.post(url, form | wrong).status_code == 422, wrong
    assert client.post(url, {"to": "", "begins": "", "ends": ""}).status_code == 302
    assert User.objects.get(pk=world.owner.pk).delegate is None
    kinds = Entry.objects.filter(kind="person.delegate_set", actor_id=world.owner.username)
    assert kinds.count() == 2


@pytest.mark.slow
def test_the_account_and_the_person_page_say_all_of_it(scene: Scene, visit: Visit) -> None:
    world = scene.world
    set_clock(zone="Europe/Berlin", by=world.owner, now=scene.now)
    view = save_view(page="runs.run", name="Mine <b>", query="show=failed", by=world.owner, now=scene.now)
    account = visit(world.owner).get(reverse("account")).content.decode()
    for text in ("Europe/Berlin", "Mine &lt;b&gt;", list_of(Run, "show=failed"),
                 reverse("admin:forget_view", args=[view.pk]), "do something"):  # fmt: skip
        assert text in account, text
    sheet = visit(world.admin).get(page_of(world.owner)).content.decode()
    for text in ("Time zone", "Europe/Berlin", "Quiet hours", "Delegate", "nobody", "Single keys"):
        assert text in sheet, text
    assert "Mine" not in visit(world.operator).get(reverse("account")).content.decode()


def test_times_are_written_by_the_readers_clock_and_the_trail_stays_in_utc(scene: Scene, visit: Visit) -> None:
    world, run = scene.world, report(scene, "one")
    for zone, name in (("UTC", "UTC"), ("Asia/Kathmandu", r"\+0545")):
        set_clock(zone=zone, by=world.owner, now=scene.now)
        page = visit(world.owner).get(page_of(run)).content.decode()
        assert re.search(rf'<time datetime="[^"]+" title="\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {name}">', page), zone
        assert re.search(rf"<dt>Started</dt><dd>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {name}</dd>", page), zone
    entry = Entry.objects.visible_to(world.owner).latest("id")
    for url in (page_of(entry), list_of(Entry)):
        page = visit(world.owner).get(url).content.decode()
        assert formats.absolute(entry.at).endswith("UTC")
        assert formats.absolute(entry.at) in page, url
    assert "+0545" not in visit(world.operator).get(page_of(run)).content.decode()


def test_a_clock_writes_its_own_name_and_its_own_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    moment = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert formats.absolute(moment, zone) == "2026-11-24 00:30:00 CET"
    assert formats.clock(moment, now=moment, zone=zone) == "00:30 CET"
    assert formats.deadline(moment, now=datetime(2026, 11, 23, 23, 18, tzinfo=UTC), zone=zone) == (
        "in 12 min (00:30 CET)"
    )
    assert formats.relative(moment, now=datetime(2026, 12, 23, tzinfo=UTC), zone=zone) == "24 Nov 2026"
