"""Usage inside reports: what costs would refuse is one item's error, and none of the others'."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from controlplane import gateway
from costs.models import Usage
from runs.models import Step
from runs.preparing import MAX_TOKENS
from tests.runs.reports import executions, step, usage
from tests.world import NOW, World, make_world

MODEL = "OpenAI Chat Model"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def told(world: World, *items: object) -> list[Any]:
    return list(gateway.ingest(principal=world.principal, items=items, clock=lambda: NOW).results)


def test_item_with_too_many_tokens_is_refused_alone(world: World) -> None:
    items = [step("a", usage=usage()), step("b", usage=usage(output=MAX_TOKENS + 1)), step("c", usage=usage())]
    results = told(world, *items)
    assert [result.status for result in results] == ["created", "invalid", "created"]
    assert [(each.pointer, each.code) for each in results[1].errors] == [("/usage/output", "out_of_range")]
    assert set(Usage.objects.values_list("event_id", flat=True)) == {"a", "c"}


def test_calls_of_steps_with_long_ids_are_counted_once_each(world: World) -> None:
    items = [step("e" * 254 + end, usage=usage(output=MAX_TOKENS)) for end in "xyz"]
    assert [result.status for result in told(world, *items)] == ["created"] * 3
    assert [result.status for result in told(world, *items)] == ["duplicate"] * 3
    assert len(set(Usage.objects.values_list("event_id", flat=True))) == 3
    assert set(Usage.objects.values_list("step_id", flat=True)) == set(Step.objects.values_list("pk", flat=True))


def test_import_refuses_the_step_alone(world: World) -> None:
    (good,) = executions("execution-llm")
    bad = deepcopy(good)
    bad["id"] = "another"
    bad["data"]["resultData"]["runData"][MODEL][0]["data"]["ai_languageModel"][0][0]["json"]["tokenUsage"] = {
        "promptTokens": MAX_TOKENS + 1,
        "completionTokens": 1,
    }
    found = gateway.import_executions(
        agent=world.agent, environment="production", executions=[bad, good], by=world.operator, clock=lambda: NOW
    )
    refused = [result for result in found.results if result.errors]
    assert [(result.index, result.errors[0].pointer) for result in refused] == [(0, "/usage/input_uncached")]
    assert found.counts["created"] == len(found.results) - 1
    assert Usage.objects.count() == 1
