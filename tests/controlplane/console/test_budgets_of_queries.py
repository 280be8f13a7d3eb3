"""Every page asks the database a recorded number of questions, with ten rows and with a thousand."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Final

import pytest

from approvals.models import ApprovalRequest, Queue
from approvals.operations import save_queue
from audit import sql
from controlplane.console.admins import list_of, page_of
from controlplane.console.map import PAGES
from controlplane.console.runs.page import MOST_STEPS
from controlplane.delivery.models import Attempt
from costs.models import CostRollup
from policies.models import Admission
from policies.operations import publish_set
from runs.models import Step
from tests.controlplane.console.asked import ADMIN, OPERATOR, REVIEWER
from tests.controlplane.console.budgets import BUDGETS
from tests.controlplane.console.crowd import grow, multiply
from tests.controlplane.console.everywhere import Place, places
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.looking import Looker
from tests.controlplane.console.occasions import make_everything
from tests.controlplane.console.scene import POLICIES, Scene
from tests.controlplane.console.test_pages import report

FEW, MANY = 10, 990
# What has no list of its own and stands on the pages of others.
BESIDE: Final = (Admission, Attempt, CostRollup)


def measure(looker: Looker, wanted: list[Place]) -> dict[str, int]:
    """Count the queries of every page, each asked for by whoever it is for."""
    return {place.name: looker.queries(place) for place in wanted}


def table(numbers: dict[str, int]) -> str:
    """Write the numbers as the table holds them."""
    return "\n".join(f'    "{name}": {number},' for name, number in sorted(numbers.items()))


@pytest.mark.once
@pytest.mark.slow
def test_every_page_keeps_its_recorded_budget_whatever_it_holds(db: None) -> None:
    make_everything()
    looker, wanted = Looker(), places()
    grow([*PAGES, *BESIDE], FEW)
    # What a process remembers (content types, a parser's tables) is there before anything is counted.
    measure(looker, wanted)
    few = measure(looker, wanted)
    counts = grow([*PAGES, *BESIDE], MANY)
    assert min(counts.values()) >= FEW + MANY, counts
    many = measure(looker, wanted)
    assert {name: (few[name], many[name]) for name in few if few[name] != many[name]} == {}
    assert many == dict(BUDGETS), f"the table in budgets.py would be:\n{table(many)}"


def test_the_record_of_the_drawn_pages_is_true() -> None:
    text = (Path(__file__).parents[3] / "docs/adr/0025-query-budgets.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| \d+ \| (\d+) \|", text, re.MULTILINE)
    assert {name: int(asks) for name, asks in rows} == {name: BUDGETS[name] for name, _ in rows}
    assert len(rows) == len([line for line in text.splitlines() if line.startswith("| ")]) - 1


def test_a_page_that_asks_once_for_each_row_is_caught(db: None) -> None:
    """The planted twin: a column that reads a relation which the list does not join."""
    from_the_list = PAGES[next(model for model in PAGES if model.__name__ == "Command")]
    make_full_scene()
    looker, place = Looker(), Place("commands", "/registry/command/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(from_the_list, "related", ("agent",))
        patch.setattr(from_the_list, "list_display", ("kind", "agent", "requested_by"))
        multiply(next(model for model in PAGES if model.__name__ == "Command"), 2)
        few = looker.queries(place)
        multiply(next(model for model in PAGES if model.__name__ == "Command"), 8)
        many = looker.queries(place)
    assert many > few


@pytest.mark.once
@pytest.mark.slow
def test_an_approval_in_many_queues_asks_as_often_as_in_one(scene: Scene) -> None:
    held, looker = scene.hold(), Looker()
    place = Place("approval", page_of(held), REVIEWER)
    looker.queries(place)
    one = looker.queries(place)
    for number in range(3):
        queue(scene, f"further-{number}", bulk_limit=0)
        held.queues.add(Queue.objects.get(slug=f"further-{number}"))
    assert looker.queries(place) == one


@pytest.mark.once
@pytest.mark.slow
def test_an_agent_with_many_limits_asks_as_often_as_one_with_a_single_one(scene: Scene) -> None:
    scene.submit()
    looker, place = Looker(), Place("agent", page_of(scene.world.agent))
    looker.queries(place)
    one = looker.queries(place)
    policies = copy.deepcopy(POLICIES)
    policies["job-applications"]["rules"] += [
        {
            "limit": {
                "name": f"further-{number}",
                "verb": "form.submit",
                "units": 300 + number,
                "per": per,
                "by": "agent",
            }
        }
        for number, per in enumerate(("1h", "12h", "7d"))
    ]
    publish_set(policies=policies, queues=["outreach"], by=scene.world.admin, now=sql.now(), reason="More limits.")
    scene.submit()
    assert looker.queries(place) == one
    shown = looker.client(place).get(place.url).content.decode()
    # Of two submissions the limit of then counted both, those of now the second.
    assert [text for text in ("198 of 200", "299 of 300", "300 of 301", "301 of 302") if text not in shown] == []


@pytest.mark.once
@pytest.mark.slow
def test_what_waits_costs_no_further_queries(scene: Scene) -> None:
    held, looker = scene.hold(), Looker()
    scene.hold()
    waiting = list_of(ApprovalRequest)
    wanted = [
        Place(f"{person}: {url}", url, person)
        for person in (ADMIN, OPERATOR, REVIEWER)
        for url in ("/home/", "/live/", waiting, f"{waiting}?show=all", page_of(held))
    ]
    measure(looker, wanted)
    few = measure(looker, wanted)
    for _ in range(8):
        scene.hold()
    assert measure(looker, wanted) == few


@pytest.mark.once
@pytest.mark.slow
def test_a_run_asks_as_often_whatever_its_steps(scene: Scene) -> None:
    """One that is shown in parts asks once more for where its first failure is, and for the part that holds it."""
    report(scene)
    run = Step.objects.order_by("pk")[0].run
    looker, place = Looker(), Place("run", page_of(run))
    looker.queries(place)
    numbers = [looker.queries(place)]
    for more in (MOST_STEPS - 20, 40, MOST_STEPS):
        multiply(Step, more)
        numbers.append(looker.queries(place))
    whole, parts = numbers[0], numbers[2]
    assert numbers == [whole, whole, parts, parts]
    assert parts <= whole + 3


@pytest.mark.once
@pytest.mark.slow
def test_approving_several_opens_no_more_than_its_queue_lets(scene: Scene) -> None:
    """Each request is opened, which is audited: there are as many as the queue admits at once, however many wait."""
    queue(scene, "outreach", bulk_limit=3)
    first, looker = scene.hold(), Looker()
    place = Place("several", f"{list_of(ApprovalRequest)}do/bulk/?like={first.pk}", REVIEWER)
    numbers = []
    for more in (1, 1, 1, 20):
        for _ in range(more):
            scene.hold()
        looker.queries(place)
        numbers.append(looker.queries(place))
    each = numbers[1] - numbers[0]
    assert each > 0
    assert numbers == [numbers[0], numbers[0] + each, numbers[0] + each, numbers[0] + each]


def queue(scene: Scene, slug: str, *, bulk_limit: int) -> None:
    """Save a queue of the team's reviewers."""
    save_queue(
        slug=slug, reviewers=["talent"], quorum=1, ttl_seconds=24 * 3600, edits=True, editor_may_approve=False,
        owner_may_approve=True, bulk_limit=bulk_limit, by=scene.world.admin, now=scene.now,
    )  # fmt: skip
