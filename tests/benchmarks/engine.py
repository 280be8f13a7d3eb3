"""How long a judgement takes by the number of rules, at most twenty of which match.

Run as ``python -m tests.benchmarks.engine``. The rules that do not match are about other agents,
other verbs, or (the hard case for an index) the same agent and verb at other places. Each line is
the median over many single judgements, extraction of the payload included. The second table has conditions, a
split guard and provenance among the rules that match, and as many conditions among those that do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from policies.compile import Snapshot, compile_set
from policies.engine import judge
from policies.facts import Declared
from policies.language import parse
from tests.policies import reference
from tests.policies.cases import NOW, VERB_DOCUMENT, VERBS, email, form, snapshot, subject

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 2_000
MATCHING: list[dict[str, Any]] = [
    {"allow": {"name": "submit", "verb": "form.submit", "destination": "https://jobs.example.com/*", "batch": 25}},
    {"allow": {"name": "mail", "verb": "email.**", "destination": "email:*@acme.com"}},
    {"limit": {"name": "pace", "verb": "form.*", "units": 200, "per": "1d", "by": "agent"}},
    {"forbid": {"name": "money", "data_class": "financial"}},
    {"review": {"name": "large", "amount_over": {"value": "100", "currency": "USD"}, "queue": "finance"}},
]


CONDITIONED: list[dict[str, Any]] = [
    *MATCHING,
    {"forbid": {"name": "odd", "verb": "form.*", "when": "has(action.amount) && action.units > 3"}},
    {
        "forbid": {
            "name": "url",
            "verb": "form.*",
            "when": "has(action.payload.url) && action.payload.url.contains('x:')",
        }
    },
    {"split": {"name": "drip", "verb": "email.**", "distinct": "destination", "max": 50, "per": "1h"}},
    {"forbid": {"name": "tainted", "verb": "email.**", "provenance": {"at": "/to/*", "from": ["tool"]}}},
]


def _others(count: int, *, conditions: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rules that never match, and the agent whom each is about."""
    when = {"when": "has(action.amount) && action.amount.nano > 5"} if conditions else {}
    for index in range(count):
        kind = index % 3
        if kind == 0:
            yield f"other-{index}", {"allow": {"name": f"o{index}", "verb": "form.submit"}}
        elif kind == 1:
            yield "job-applier", {"forbid": {"name": f"o{index}", "verb": "payment.**", **when}}
        else:
            place = f"https://h{index}.example.com/*"
            yield "job-applier", {"allow": {"name": f"o{index}", "verb": "form.submit", "destination": place}}


def document(size: int, *, conditions: bool = False) -> dict[str, Any]:
    """Return ten policies or more with `size` rules together, with conditions and guards among them or without."""
    matching = CONDITIONED if conditions else MATCHING
    policies: dict[str, Any] = {"core": {"rules": matching}}
    for index, (agent, rule) in enumerate(_others(size - len(matching), conditions=conditions)):
        slug = f"p{index % 9}-{agent}"
        policies.setdefault(slug, {"applies_to": {"agents": [agent]}, "rules": []})["rules"].append(rule)
    return policies


def medians_us(snapshots: dict[int, Snapshot], said: Declared) -> dict[int, float]:
    """Return the median time of one judgement in µs for each snapshot; they take turns, so that noise is shared."""
    who = subject()
    times: dict[int, list[int]] = {size: [] for size in snapshots}
    for _ in range(ROUNDS):
        for size, compiled in snapshots.items():
            start = time.perf_counter_ns()
            judge(compiled, who, said, NOW)
            times[size].append(time.perf_counter_ns() - start)
    return {size: statistics.median(found) / 1_000 for size, found in times.items()}


def linear_us(policies: dict[str, Any], compiled: Snapshot, said: Declared) -> float:
    """Return the median time of the reference evaluator, which scans, in µs."""
    action, _ = judge(compiled, subject(), said, NOW)
    assert action is not None
    times = []
    for _ in range(20):
        start = time.perf_counter_ns()
        reference.evaluate(policies, VERB_DOCUMENT, subject(), action, NOW)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1_000


def table(said: dict[str, Declared], *, conditions: bool) -> None:
    """Print one table, and how much the times grow from its first line to its last."""
    policies = {size: document(size, conditions=conditions) for size in SIZES}
    snapshots = {0: snapshot({})}
    compile_ms = {}
    for size in SIZES:
        start = time.perf_counter()
        parsed = parse(policies[size])
        snapshots[size] = compile_set(parsed, VERBS, None)
        compile_ms[size] = (time.perf_counter() - start) * 1_000
    medians = {name: medians_us(snapshots, one) for name, one in said.items()}
    print(f"{'rules':>7}{'read ms':>12}" + "".join(f"{name + ' µs':>24}" for name in said) + f"{'linear scan µs':>16}")
    for size in SIZES:
        # The reference reads no CEL.
        scan = "" if conditions else f"{linear_us(policies[size], snapshots[size], said['form allowed']):>16.1f}"
        columns = "".join(f"{medians[name][size]:>24.1f}" for name in said)
        print(f"{size:>7}{compile_ms[size]:>12.1f}{columns}{scan}")
    print(f"without any rule, form: {medians['form allowed'][0]:.1f} µs")
    growth = ", ".join(f"{name} {found[SIZES[-1]] / found[SIZES[0]]:.2f}×" for name, found in medians.items())
    print(f"growth from {SIZES[0]} to {SIZES[-1]:,} rules: {growth}")


def main() -> None:
    """Print the tables."""
    said = {
        "form allowed": form(),
        "mail to two allowed": email("a@acme.com", "b@acme.com"),
        "form denied": form("https://evil.com/"),
    }
    table(said, conditions=False)
    print("\nwith conditions, a split guard and provenance")
    table(said, conditions=True)


if __name__ == "__main__":
    main()
