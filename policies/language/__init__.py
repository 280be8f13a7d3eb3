"""The language of policies: documents in, typed values out, and the same documents back."""

from audit.refusals import Problem
from policies.language.reading import dump, parse
from policies.language.shapes import AppliesTo, Limit, Policy, PolicySet, PolicyTest, Rule, Split
from registry.documents import DocumentInvalid

__all__ = [
    "AppliesTo",
    "DocumentInvalid",
    "Limit",
    "Policy",
    "PolicySet",
    "PolicyTest",
    "Problem",
    "Rule",
    "Split",
    "dump",
    "parse",
]
