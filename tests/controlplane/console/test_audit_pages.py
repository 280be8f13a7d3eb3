"""The trail: narrowed, read entry by entry, verified, taken along."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit import chain, triggers
from audit.ids import new_id
from audit.models import Entry, Seal, Verification
from audit.operations import record, seal
from audit.tasks import verify_trail
from controlplane.console.admins import list_of, page_of
from controlplane.console.trail.dialogs import harmless
from registry.operations import pause_agent
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene

pytestmark = pytest.mark.slow


def note(scene: Scene, **more: Any) -> Entry:
    """Leave an entry."""
    known: dict[str, Any] = {"kind": "test.noted", "object_type": "test", "object_id": "7", "by": scene.world.operator}
    record(**{**known, **more}, now=scene.now)
    return Entry.objects.order_by("-id")[0]


def tamper(entry: Entry) -> None:
    """Change an entry behind the trail's back, as somebody with the database would."""
    triggers.remove()
    with connection.cursor() as cursor:
        key = entry.pk if connection.vendor == "postgresql" else entry.pk.hex
        cursor.execute("UPDATE audit_entry SET outcome = 'forged' WHERE id = %s", [key])
    triggers.install()


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_the_list_is_narrowed_by_fields(scene: Scene, visit: Visit) -> None:
    pause_agent(agent=scene.world.agent, reason="x", by=scene.world.operator, now=scene.now)
    entry = Entry.objects.get(kind="agent.paused")
    client = visit(scene.world.auditor)

    def shows(**query: str) -> bool:
        answer = client.get(list_of(Entry), query, follow=True)
        assert answer.status_code == 200, query
        return f'href="{page_of(entry)}"' in answer.content.decode()

    assert shows(kind__startswith="agent.")
    assert shows(actor_id="talent-operator", outcome="paused", object_type="agent")
    assert not shows(actor_id="admin")
    assert not shows(outcome="nothing")
    assert shows(at__gte="2026-01-01", kind__startswith="agent.paused")
    assert not shows(at__lt="2020-01-01 10:00", kind__startswith="agent.paused")
    # Fields left empty narrow nothing, and leave the address.
    assert shows(kind__startswith="agent.", actor_id="", outcome="")
    wrong = client.get(list_of(Entry), {"at__gte": "yesterday"}).content.decode()
    assert "is no time" in wrong
    assert client.get(list_of(Entry), {"at__gte": "2026-02-31"}).status_code == 200


def test_a_number_leads_to_its_entry(scene: Scene, visit: Visit) -> None:
    entry = note(scene)
    seal(now=scene.now)
    number = Seal.objects.get(entry_id=entry.pk).seq
    client = visit(scene.world.auditor)
    assert client.get(list_of(Entry), {"seq": str(number)}).headers["Location"] == page_of(entry)
    for odd in ("0", "x", "²", "9" * 40):
        assert "No entry that you may see" in client.get(list_of(Entry), {"seq": odd}).content.decode(), odd
    # A number says nothing to whoever may not see the entry.
    foreign = visit(scene.world.stranger).get(list_of(Entry), {"seq": str(number)})
    assert "No entry that you may see" in foreign.content.decode()


def test_an_entry_shows_its_place_in_the_chain(scene: Scene, visit: Visit) -> None:
    first, second, third = (note(scene, object_id=str(number)) for number in range(3))
    client = visit(scene.world.auditor)
    assert "Not sealed yet" in client.get(page_of(second)).content.decode()
    seal(now=scene.now)
    shown = client.get(page_of(second)).content.decode()
    assert "✓ what was sealed" in shown
    assert f'href="{page_of(first)}" rel="prev"' in shown
    assert f'href="{page_of(third)}" rel="next"' in shown
    for entry in (first, second, third):
        assert Seal.objects.get(entry_id=entry.pk).hash in shown
    tamper(second)
    assert "The chain is broken here." in client.get(page_of(second)).content.decode()
    assert "The chain is broken here." not in client.get(page_of(third)).content.decode()


def test_a_broken_chain_stands_above_the_list(scene: Scene, visit: Visit) -> None:
    entry = note(scene)
    seal(now=scene.now)
    tamper(entry)
    client = visit(scene.world.admin)
    answer = client.post(reverse("admin:audit_entry_verify"), follow=True)
    shown = answer.content.decode()
    assert "The chain is broken." in shown
    assert Verification.objects.get().verdict == "tampered"
    assert f"?seq={Seal.objects.get(entry_id=entry.pk).seq}" in shown


def test_a_long_trail_is_verified_by_a_task(scene: Scene, visit: Visit) -> None:
    note(scene)
    seal(now=scene.now)
    assert verify_trail(scene.world.auditor.username) == "intact"
    entry = Entry.objects.get(kind="audit.verified")
    assert (entry.actor_type, entry.on_behalf_of) == ("system", "auditor")
    assert Verification.objects.get().verdict == "intact"


def export(client: Client, **fields: str) -> Any:
    return client.post(reverse("admin:audit_entry_export"), {"form": "jsonl", "since": "", "until": "", **fields})


def test_an_export_verifies_offline_and_is_an_entry_itself(scene: Scene, visit: Visit) -> None:
    early = new_id()
    late = note(scene)
    seal(now=scene.now, everything=True)
    # A transaction that committed late: its id is older than what is sealed already.
    late.pk = early
    late.save(force_insert=True)
    seal(now=scene.now, everything=True)
    lines = body(export(visit(scene.world.auditor))).splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, Seal.objects.count() + 1))
    assert json.loads(lines[-1])["entry"]["id"] == str(early)
    assert chain.check(chain.exported_links(lines)).verdict == "intact"
    entry = Entry.objects.get(kind="audit.exported")
    assert (entry.actor_id, entry.outcome) == ("auditor", "jsonl")


def test_an_export_holds_what_the_person_may_see(scene: Scene, visit: Visit) -> None:
    mine = note(scene, team="talent")
    theirs = note(scene, team="billing")
    for who, sees in (("admin", (True, True)), ("operator", (True, False)), ("stranger", (False, True))):
        text = body(export(visit(getattr(scene.world, who)), form="csv"))
        assert (str(mine.pk) in text, str(theirs.pk) in text) == sees, who
    assert export(visit(scene.world.reviewer)).status_code == 404
    assert body(export(visit(scene.world.admin), since="2099-01-01 00:00")) == ""
    assert export(visit(scene.world.admin), since="soon").status_code == 422
    assert export(visit(scene.world.admin), form="exe").status_code == 422
    assert Entry.objects.filter(kind="audit.exported").count() == 4


def test_cells_that_a_spreadsheet_would_compute_are_text(scene: Scene, visit: Visit) -> None:
    for formula in ('=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\tx", "\rx"):
        assert harmless(formula) == f"'{formula}"
    entry = note(scene, object_id='=cmd|" /C calc"!A0')
    rows = list(csv.DictReader(io.StringIO(body(export(visit(scene.world.admin), form="csv")))))
    assert next(row for row in rows if row["id"] == str(entry.pk))["object_id"] == "'" + entry.object_id
