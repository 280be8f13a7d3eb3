"""A permissive default, planted in three places, and what catches it: no rule, no mode, no word about who may call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from tests.policies.worlds import Dice, World

Answer = Callable[[World], str]
WORLDS = range(60)


def without_leave(world: World) -> World:
    """Return the world without any rule that permits."""
    document = {
        slug: {**policy, "rules": [rule for rule in policy["rules"] if not {"allow", "review"} & set(rule)]}
        for slug, policy in world.document.items()
    }
    return replace(world, document=document)


def permitted(answer: Answer) -> list[int]:
    """Return the worlds in which something is permitted though no rule permits it."""
    worlds = {seed: without_leave(Dice(seed).world()) for seed in WORLDS}
    empty = {-1: replace(worlds[0], document={})}
    return [seed for seed, world in (worlds | empty).items() if answer(world) != "deny"]


def ours(world: World) -> str:
    return world.answer().effect


def no_rule_means_pass(world: World) -> str:
    """Twin: where no policy has a word to say, it passes."""
    verdict = world.answer()
    return "allow" if [one.code for one in verdict.reasons] == ["no_rule"] else verdict.effect


def what_is_not_forbidden_passes(world: World) -> str:
    """Twin: only a rule that forbids denies."""
    verdict = world.answer()
    return verdict.effect if {one.code for one in verdict.reasons} & {"forbidden"} else "allow"


def test_what_no_rule_permits_is_denied() -> None:
    assert permitted(ours) == []


@pytest.mark.parametrize("twin", [no_rule_means_pass, what_is_not_forbidden_passes])
def test_a_permissive_default_is_caught(twin: Answer) -> None:
    assert len(permitted(twin)) > 1


class Forgotten(APIView):
    """A view whose author named nobody who may call it."""

    def get(self, _request: Request) -> Response:
        """Tell everything."""
        return Response({"everything": True})


class Open(Forgotten):
    """The twin: what it would be under a permissive default."""

    permission_classes = (AllowAny,)


def is_open(view: type[APIView]) -> bool:
    """Say whether nobody in particular is answered."""
    return bool(view.as_view()(APIRequestFactory().get("/")).status_code == 200)


def test_a_view_that_names_nobody_is_closed_and_a_permissive_one_is_caught() -> None:
    assert not is_open(Forgotten)
    assert is_open(Open)
