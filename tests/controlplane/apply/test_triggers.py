"""``triggers:`` in the document: applied, exported, the same again; what warns or stops is tried with it."""

from __future__ import annotations

import pytest

from audit import sql
from controlplane.apply import apply_document, export_document
from controlplane.apply.problems import DocumentRefused
from policies.models import Trigger
from tests.world import make_world

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
DOCUMENT = """\
triggers:
  failing: {count: failures, team: talent, more_than: 20, per: 1d, mode: warn}
  many: {count: denials, each_agent: true, more_than: 50, per: 1h, mode: enforce}
  spend: {count: spend, agent: job-applier, more_than_usd: "5.00", per: 7d, note: A lot for a form}
"""


def test_triggers_are_applied_and_exported_exactly() -> None:
    world, now = make_world(now=sql.now()), sql.now()
    plan = apply_document(text=DOCUMENT, by=world.admin, now=now)
    assert [(change.sign, change.name) for change in plan.changes] == [("+", "failing"), ("+", "many"), ("+", "spend")]
    # What warns or stops is tried in the same step; what only records may be tried later.
    assert dict(Trigger.objects.values_list("slug", "tried_at")) == {"failing": now, "many": now, "spend": None}
    written = export_document(by=world.admin, now=now)
    assert "more_than_usd: '5.00'" in written or 'more_than_usd: "5.00"' in written
    assert not apply_document(text=written, by=world.admin, now=now).changed
    assert not apply_document(text=DOCUMENT, by=world.admin, now=now).changed


def test_defects_are_told_with_their_lines() -> None:
    world = make_world(now=sql.now())
    text = "triggers:\n  many:\n    count: denials\n    more_than: lots\n    per: 1h\n"
    with pytest.raises(DocumentRefused) as refused:
        apply_document(text=text, by=world.admin, now=sql.now())
    assert [(defect.line, defect.pointer) for defect in refused.value.located] == [(4, "/triggers/many/more_than")]
