"""Recording usage: prices, doubles, bad input, the trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.models import Entry
from audit.refusals import Invalid
from costs.models import DirtyBucket, Usage
from costs.operations import record_usage
from costs.prices import price_version
from costs.reports import defects
from runs.preparing import MAX_TOKENS
from tests.costs.spending import CENT, Small, cents, make_budget, make_report, spend, standing
from tests.world import INSTALLATION, NOW, World, make_agent


def record(*usages: Any) -> list[str]:
    return [result.outcome for result in record_usage(usages=usages, by=INSTALLATION, now=NOW).results]


def test_record_usage_prices_and_keeps_the_call(world: World) -> None:
    at = datetime(2026, 11, 23, 9, 59, 58, 123456, tzinfo=UTC)
    report = make_report(
        world.agent,
        at=at,
        input_uncached=1000,
        cache_read=2000,
        output=30,
        reasoning=10,
        response_id="resp_1",
        task="t",
    )
    recorded = record_usage(usages=[report], by=world.principal, now=NOW)
    row = Usage.objects.get()
    assert recorded.results[0].usage_id == row.pk
    assert row.cost_nanousd == recorded.results[0].cost_nanousd == 2_500_000 + 2_500_000 + 300_000
    assert row.price_version == price_version()
    assert (row.team, row.version, row.task, row.at, row.late) == ("talent", 1, "t", at, False)
    assert row.hour == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert (row.input_uncached, row.cache_read, row.output, row.reasoning) == (1000, 2000, 30, 10)
    assert DirtyBucket.objects.get().hour == row.hour


def test_record_usage_unknown_model_is_unpriced(small: Small) -> None:
    make_budget()
    recorded = spend(small.agent, 1, model="nobody-knows")
    assert recorded.results[0].cost_nanousd is None
    row = Usage.objects.unpriced().get()
    assert (row.cost_nanousd, row.price_version) == (None, "")
    assert standing() == (0, 0)


def test_record_usage_leaves_one_entry_per_batch(world: World) -> None:
    reports = [make_report(world.agent, **cents(number)) for number in (1, 2, 3)]
    record_usage(
        usages=[*reports, replace(reports[0], event_id="x", model="nobody-knows")], by=world.principal, now=NOW
    )
    entry = Entry.objects.get(kind="usage.recorded")
    assert (entry.actor_type, entry.team, entry.agent) == ("agent", "talent", "job-applier")
    assert '"cost_nanousd":"60000000"' in entry.details
    assert '"unpriced":1' in entry.details
    record_usage(usages=reports, by=world.principal, now=NOW)
    assert Entry.objects.filter(kind="usage.recorded").count() == 1


def test_record_usage_repeated_counts_once(small: Small) -> None:
    make_budget()
    report = make_report(small.agent)
    assert record(report, report) == ["created", "duplicate"]
    assert record(report) == ["duplicate"]
    assert standing() == (1, 0)


def test_record_usage_same_answer_from_two_instruments_counts_once(small: Small) -> None:
    make_budget()
    first = make_report(small.agent, response_id="resp_1")
    second = make_report(small.agent, response_id="resp_1", output=900, input_uncached=5)
    assert record(first) == ["created"]
    assert record(second) == ["duplicate"]
    assert record(replace(second, event_id="third"), make_report(small.agent)) == ["duplicate", "created"]
    assert standing() == (2, 0)


def test_record_usage_same_event_of_another_call_is_a_conflict(small: Small) -> None:
    make_budget()
    report = make_report(small.agent)
    record(report)
    assert record(replace(report, output=5000)) == ["conflict"]
    assert Usage.objects.get().cost_nanousd == CENT
    assert standing() == (1, 0)


def test_record_usage_ids_are_an_agents_own(small: Small) -> None:
    other = make_agent("mailer", owner=small.owner, team=small.team, by=small.admin)
    facts = {"event_id": "same", "response_id": "same"}
    assert record(make_report(small.agent, **facts), make_report(other, **facts)) == ["created", "created"]


def test_usage_constraints_repeat_that_a_call_counts_once(small: Small) -> None:
    record(make_report(small.agent, event_id="a", response_id="r"), make_report(small.agent, event_id="b"))
    for change in ({"event_id": "a"}, {"response_id": "r"}, {"output": -1}, {"cost_nanousd": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Usage.objects.filter(event_id="b").update(**change)


def test_record_usage_of_nothing_leaves_nothing(small: Small) -> None:
    assert record() == []
    assert not Entry.objects.filter(kind="usage.recorded").exists()


def test_record_usage_clamps_clocks_that_run_ahead(small: Small) -> None:
    record(
        make_report(small.agent, event_id="a", at=NOW + timedelta(minutes=4)),
        make_report(small.agent, event_id="b", at=NOW + timedelta(days=40)),
    )
    assert list(Usage.objects.order_by("event_id").values_list("at", flat=True)) == [
        NOW + timedelta(minutes=4),
        NOW + timedelta(minutes=5),
    ]


@pytest.mark.parametrize(
    ("facts", "pointers"),
    [
        ({"output": -1}, ["/0/output"]),
        ({"output": MAX_TOKENS + 1}, ["/0/output"]),
        ({"input_uncached": 2**70}, ["/0/input_uncached"]),
        ({"reasoning": 1001}, ["/0/reasoning"]),
        ({"event_id": ""}, ["/0/event_id"]),
        ({"event_id": "x" * 201}, ["/0/event_id"]),
        ({"model": ""}, ["/0/model"]),
        ({"model": "gpt\x00"}, ["/0/model"]),
        ({"task": "\ud800"}, ["/0/task"]),
        ({"at": datetime(2026, 11, 23, 10)}, ["/0/at"]),  # noqa: DTZ001 - what is refused
        ({"environment": "", "provider": "p" * 65}, ["/0/provider", "/0/environment"]),
    ],
)
def test_record_usage_refuses_bad_reports_as_a_whole(small: Small, facts: dict[str, Any], pointers: list[str]) -> None:
    bad = make_report(small.agent, **facts)
    with pytest.raises(Invalid) as caught:
        record(bad, make_report(small.agent))
    assert [problem.pointer for problem in caught.value.errors] == pointers
    assert [problem.pointer for problem in defects(bad, "/0")] == pointers
    assert not Usage.objects.exists()


def test_record_usage_takes_hundreds_at_once(small: Small, django_assert_max_num_queries: Any) -> None:
    make_budget()
    reports = [make_report(small.agent, response_id=f"r{number}") for number in range(500)]
    with django_assert_max_num_queries(60):
        record_usage(usages=reports, by=INSTALLATION, now=NOW)
    assert standing() == (500, 0)


def test_usage_visible_to_each_role(world: World) -> None:
    other = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin)
    record(make_report(world.agent, event_id="talent"), make_report(other, event_id="billing"))

    def seen(user: Any) -> set[str]:
        return set(Usage.objects.visible_to(user).values_list("event_id", flat=True))

    assert seen(world.admin) == seen(world.auditor) == {"talent", "billing"}
    assert seen(world.operator) == seen(world.owner) == {"talent"}
    assert seen(world.stranger) == {"billing"}
    assert seen(world.reviewer) == set()
