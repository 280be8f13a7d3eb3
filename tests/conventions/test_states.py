"""Every state machine is total: each state has a row, each step leads to a state."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.reference import stateful_models


@pytest.mark.parametrize("model", stateful_models(), ids=lambda model: model.__name__)
def test_transition_table_is_total(model: Any) -> None:
    states = {name for name, _ in model._meta.get_field("state").flatchoices}
    assert set(model.TRANSITIONS) == states
    assert {after for following in model.TRANSITIONS.values() for after in following} <= states
    assert model._meta.get_field("state").default in states or model.__name__ == "Grant"
