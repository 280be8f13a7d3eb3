"""The control plane as code: one YAML document describes an installation or a part of it."""

from controlplane.apply.operations import apply_document, export_document
from controlplane.apply.plan import Change, Plan
from controlplane.apply.problems import DocumentRefused, Located

__all__ = ["Change", "DocumentRefused", "Located", "Plan", "apply_document", "export_document"]
