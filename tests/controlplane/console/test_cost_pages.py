"""Money: where it goes, budgets as forms, prices of our own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from costs.models import Budget, CostRollup, ModelPrice, TopUp, Usage
from costs.operations import grant_price, roll_up, withdraw_price
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import SCRIPT, Scene
from tests.controlplane.console.test_pages import report
from tests.controlplane.console.test_run_list import tell
from tests.costs.spending import CENT
from tests.forms import over

pytestmark = pytest.mark.slow


def terms(**more: Any) -> dict[str, Any]:
    """Return the fields of a budget's form."""
    known = {
        "per": "month", "zone": "UTC", "limit_usd": "10.00", "reserve_usd": "0.05", "alert_at": "50, 100",
        "at_limit": "deny", "active": "on",
    }  # fmt: skip
    return {**known, **more}


def test_the_pivot_compares_with_the_days_before(scene: Scene, visit: Visit) -> None:
    scene.spend(30, task="sort")
    scene.spend(10, task="send", days_ago=1)
    scene.spend(20, task="sort", days_ago=8)
    scene.spend(7, task="send", shadow=True)
    scene.roll_up()
    client = visit(scene.world.operator)
    url = list_of(Budget)
    for by in ("agent", "task", "model", "version", "team"):
        assert client.get(url, {"by": by, "days": "7"}).status_code == 200, by
    shown = client.get(url, {"by": "task", "days": "7"}).content.decode()
    assert shown.index(">sort</a>") < shown.index(">send</a>")
    assert "(+50 %)" in shown
    assert "$0.07" in shown
    assert "$0.40" in shown
    assert client.get(url, {"by": SCRIPT, "days": "x"}).status_code == 200
    assert ">sort</a>" not in visit(scene.world.stranger).get(url, {"by": "task"}).content.decode()


def test_a_success_costs_what_all_runs_cost_by_those_that_succeeded(scene: Scene, visit: Visit) -> None:
    report(scene)
    for name in ("sort", "tidy"):
        tell(scene, name)
    scene.spend(30, task="sort")
    scene.spend(10, task="send")
    scene.roll_up()
    client, url = visit(scene.world.operator), list_of(Budget)
    plain = client.get(url, {"by": "task", "days": "7"})
    assert "Per success" not in plain.content.decode()
    asked = plain.context["page"].successes_url.removesuffix("#pivot")
    answer = client.get(url + asked)
    page = answer.context["page"]
    found = {line.row.value: (line.successes, line.per_success_nanousd) for line in page.lines}
    assert (found["sort"], found["send"]) == ((1, 30 * CENT), (0, None))
    assert (page.total.successes, page.total.per_success_nanousd) == (2, page.total.row.cost_nanousd // 2)
    assert "Per success" in answer.content.decode()
    for by, value in (("agent", "job-applier"), ("version", "1"), ("team", "talent")):
        page = client.get(url, {"by": by, "days": "7", "successes": "1"}).context["page"]
        assert [line.successes for line in page.lines if line.row.value == value] == [2], by
    models = client.get(url, {"by": "model", "days": "7", "successes": "1"})
    assert (models.context["page"].has_successes, models.context["page"].successes_url) == (False, "")
    stranger = visit(scene.world.stranger).get(url, {"by": "team", "successes": "1"}).context["page"]
    assert stranger.total.successes == 0


def test_every_group_links_to_the_calls_that_it_counts(scene: Scene, visit: Visit) -> None:
    scene.spend(30, task="sort")
    scene.spend(10, task="send")
    scene.roll_up()
    client = visit(scene.world.operator)
    first = client.get(list_of(Budget), {"by": "task", "days": "7"}).context["page"].lines[0]
    assert first.row.name == "sort"
    calls = client.get(first.url).content.decode()
    assert "$0.30" in calls
    assert "$0.10" not in calls
    day = client.get(list_of(Budget)).context["page"].days.bars[-1]
    assert "$0.10" in client.get(day.url).content.decode()


def test_the_forecast_states_its_method_and_the_chart_its_budget(scene: Scene, visit: Visit) -> None:
    scene.budget(limit_usd="30.00")
    scene.spend(100, days_ago=1)
    scene.spend(300, days_ago=2)
    scene.roll_up()
    page = visit(scene.world.operator).get(list_of(Budget)).context["page"]
    assert page.forecast.mean_nanousd == 2_000_000_000
    assert page.forecast.nanousd == page.forecast.spent_nanousd + 2_000_000_000 * page.forecast.left
    assert page.forecast.days == 2
    assert "the share of talent-month" in page.days.limit
    shown = visit(scene.world.operator).get(list_of(Budget)).content.decode()
    assert "the mean of the last 2 whole days" in shown
    assert "cp-limit" in shown
    assert "as table" in shown


def test_nothing_spent_is_said(scene: Scene, visit: Visit) -> None:
    shown = visit(scene.world.operator).get(list_of(Budget)).content.decode()
    assert "No forecast: it needs one whole day of spend." in shown
    assert "Nothing was spent in these days" in shown
    assert "New budget…" in shown


def test_a_budget_is_created_and_changed_by_its_form(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.admin), reverse("admin:costs_budget_create")
    whom = {"slug": "talent-day", "whom": "team:talent", "task": ""}
    assert client.post(url, terms(**whom)).status_code == 302
    budget = Budget.objects.get()
    assert (budget.limit_nanousd, budget.alert_at, budget.active) == (10_000_000_000, [50, 100], True)
    assert client.post(url, terms(**whom)).status_code == 422
    change = page_of(budget, "change-terms")
    assert 'value="10.00"' in client.get(change).content.decode()
    assert client.post(change, over(client, change, terms(limit_usd="12.50"))).status_code == 302
    budget.refresh_from_db()
    assert budget.limit_nanousd == 12_500_000_000
    kinds = Entry.objects.filter(object_type="budget").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["budget.created", "budget.changed"]
    for bad in (
        {"limit_usd": "lots"}, {"limit_usd": "0"}, {"zone": "Mars/Base"}, {"alert_at": "half"}, {"per": "decade"},
        {"reserve_usd": "-1"}, {"at_limit": "explode"}, {"alert_at": "0"},
    ):  # fmt: skip
        assert client.post(change, over(client, change, terms(**bad))).status_code == 422, bad
    budget.refresh_from_db()
    assert budget.limit_nanousd == 12_500_000_000


def test_who_may_write_budgets(scene: Scene, visit: Visit) -> None:
    budget = scene.budget()
    create = reverse("admin:costs_budget_create")
    whom = {"slug": "mine", "whom": "team:talent", "task": ""}
    for who in ("operator", "owner", "auditor"):
        client = visit(getattr(scene.world, who))
        # Drafts are theirs to write; what is in force needs the right to publish.
        expected = {"operator": 403, "owner": 422, "auditor": 422}[who]
        assert client.post(create, terms(**whom)).status_code == expected, who
        refused = {404, 403}
        change = page_of(budget, "change-terms")
        assert client.post(change, over(visit(scene.world.admin), change, terms())).status_code in refused, who
        later = {"amount_usd": "5.00", "until": "2099-01-01 00:00", "reason": "x"}
        assert client.post(page_of(budget, "raise"), later).status_code in refused, who
    assert visit(scene.world.stranger).post(page_of(budget, "raise"), {}).status_code == 404
    assert visit(scene.world.reviewer).get(create).status_code == 404
    drafted = {key: value for key, value in terms(**whom).items() if key != "active"}
    assert visit(scene.world.operator).post(create, drafted).status_code == 302
    assert Budget.objects.get(slug="mine").active is False
    assert not TopUp.objects.exists()


def test_a_raised_budget_admits_more_until_its_time_is_over(scene: Scene, visit: Visit) -> None:
    budget = scene.budget(limit_usd="1.00", at_limit="deny")
    scene.spend(100)
    assert scene.submit().effect == "deny"
    client = visit(scene.world.admin)
    url = page_of(budget, "raise")
    for bad in (
        {"amount_usd": "0"}, {"amount_usd": "x"}, {"until": "2020-01-01 00:00"}, {"until": "soon"}, {"reason": ""},
    ):  # fmt: skip
        order = {"amount_usd": "5.00", "until": "2099-01-01 00:00", "reason": "Launch", **bad}
        assert client.post(url, order).status_code == 422, bad
    soon = (scene.now + timedelta(days=40)).strftime("%Y-%m-%d %H:%M")
    assert client.post(url, {"amount_usd": "5.00", "until": soon, "reason": "Launch"}).status_code == 302
    assert scene.submit().effect == "allow"
    shown = client.get(page_of(budget)).content.decode()
    assert "$5.00 until" in shown
    assert "Launch" in shown
    entry = Entry.objects.get(kind="budget.topped_up")
    assert entry.actor_id == "admin"
    assert '"limit_usd":"6.00"' in entry.details
    budget.refresh_from_db()
    assert budget.limit_nanousd == 1_000_000_000
    line = client.get(list_of(Budget)).context["page"].budgets[0].line
    assert line.limit_nanousd == 6_000_000_000


RATES = {"input": "1.00", "cache_read": "0.10", "cache_write": "1.25", "output": "4.00"}


def test_a_price_shows_its_effect_before_it_is_done(scene: Scene, visit: Visit) -> None:
    scene.spend(0, model="mystery-model", output=1_000_000)
    scene.roll_up()
    client, url = visit(scene.world.admin), reverse("admin:costs_modelprice_price")
    listed = client.get(list_of(ModelPrice)).content.decode()
    assert "mystery-model" in listed
    assert "Price and re-rate…" in listed
    order = {"model": "mystery-model", **RATES, "reason": "The contract", "confirmed": ""}
    effect = client.post(url, order)
    shown = effect.content.decode()
    assert "1 call of mystery-model, 1 of them unpriced by now." in shown
    assert "1 unpriced to $4.00: +$4.00" in shown
    assert not ModelPrice.objects.exists()
    assert Usage.objects.get().cost_nanousd is None
    mark = effect.context["form"].data["confirmed"]
    # Another price than the one that was shown shows its own effect first.
    assert client.post(url, {**order, "output": "5.00", "confirmed": mark}).status_code == 200
    assert not ModelPrice.objects.exists()
    assert client.post(url, {**order, "confirmed": mark}).status_code == 302
    call = Usage.objects.get()
    assert (call.cost_nanousd, call.price_version) == (4_000_000_000, ModelPrice.objects.get().version)
    roll_up(now=scene.now)
    assert sum(CostRollup.objects.daily().values_list("cost_nanousd", flat=True)) == 4_000_000_000
    assert "Every model has a price." in client.get(list_of(ModelPrice)).content.decode()
    assert set(Entry.objects.filter(object_type="model").values_list("kind", flat=True)) == {
        "price.set", "usage.rerated",
    }  # fmt: skip
    # What comes next is priced at once, and an older version of the price stays readable.
    scene.spend(0, model="mystery-model", output=500_000)
    assert Usage.objects.order_by("-id")[0].cost_nanousd == 2_000_000_000
    assert "In force" in client.get(page_of(ModelPrice.objects.get())).content.decode()


def test_bad_prices_are_refused(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.admin), reverse("admin:costs_modelprice_price")
    order = {"model": "m", **RATES, "reason": "x", "confirmed": ""}
    for bad in ({"input": "-1"}, {"output": "much"}, {"model": ""}, {"reason": ""}, {"cache_read": "1e3"}):
        assert client.post(url, {**order, **bad}).status_code == 422, bad
    assert not ModelPrice.objects.exists()


def test_who_may_price(scene: Scene, visit: Visit) -> None:
    url = reverse("admin:costs_modelprice_price")
    order = {"model": "m", **RATES, "reason": "x", "confirmed": ""}
    for who in ("operator", "owner", "auditor", "stranger"):
        client = visit(getattr(scene.world, who))
        assert client.get(url).status_code == 403, who
        assert client.post(url, order).status_code == 403, who
    assert visit(scene.world.reviewer).get(url).status_code == 404
    assert grant_price(user=scene.world.operator, by=scene.world.admin, now=scene.now)
    assert visit(scene.world.operator).post(url, order).status_code == 200
    assert grant_price(user=scene.world.owner, by=scene.world.admin, now=scene.now)
    assert visit(scene.world.owner).get(url).status_code == 403
    assert withdraw_price(user=scene.world.operator, by=scene.world.admin, now=scene.now)
    assert visit(scene.world.operator).get(url).status_code == 403
    kinds = Entry.objects.filter(kind__startswith="person.price").values_list("kind", flat=True)
    assert sorted(kinds) == ["person.price_granted", "person.price_granted", "person.price_withdrawn"]
