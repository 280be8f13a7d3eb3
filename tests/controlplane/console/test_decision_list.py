"""The list of decisions, by verb and by the rule that spoke."""

from __future__ import annotations

import pytest

from controlplane.console.admins import list_of, page_of
from policies.models import Decision
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene

pytestmark = pytest.mark.slow


def test_decisions_are_filtered_by_verb_and_by_the_rule_that_spoke(scene: Scene, visit: Visit) -> None:
    form, mail = scene.submit(), scene.hold().decision
    unheard = Decision.objects.get(pk=scene.ask(verb="rocket.launch").id)
    client = visit(scene.world.operator)
    whole = client.get(list_of(Decision)).content.decode()
    for query in ("verb=form.submit", "verb=email.send", "rule=submit", "rule=mail", "rule=pace"):
        assert f"?{query}" in whole, query
    for query, wanted in (
        ("verb=form.submit", form), ("verb=email.send", mail), ("verb=rocket.launch", unheard),
        ("rule=submit", form), ("rule=mail", mail), ("policy=job-applications&rule=mail", mail),
    ):  # fmt: skip
        shown = client.get(list_of(Decision, query)).content.decode()
        found = {row for row in (form, mail, unheard) if page_of(row) in shown}
        assert found == {wanted}, query
    for nothing in ("rule=pace", "verb=nobody.asked", "policy=another&rule=mail"):
        shown = client.get(list_of(Decision, nothing)).content.decode()
        assert page_of(mail) not in shown, nothing
