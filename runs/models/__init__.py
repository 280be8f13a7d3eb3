"""The tables of what happened."""

from runs.models.failures import Failure, FailureQuerySet
from runs.models.runs import Run, RunQuerySet
from runs.models.steps import Payload, Step, StepQuerySet

__all__ = ["Failure", "FailureQuerySet", "Payload", "Run", "RunQuerySet", "Step", "StepQuerySet"]
