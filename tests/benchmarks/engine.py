"""How long a judgement takes by the number of rules, at most twenty of which match.

Run as ``python -m tests.benchmarks.engine``. The rules that do not match are about other agents,
other verbs, or (the hard case for an index) the same agent and verb at other places. Each line is
the median over many single judgements, extraction of the payload included.
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


def _others(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rules that never match, and the agent whom each is about."""
    for index in range(count):
        kind = index % 3
        if kind == 0:
            yield f"other-{index}", {"allow": {"name": f"o{index}", "verb": "form.submit"}}
        elif kind == 1:
            yield "job-applier", {"forbid": {"name": f"o{index}", "verb": "payment.**"}}
        else:
            place = f"https://h{index}.example.com/*"
            yield "job-applier", {"allow": {"name": f"o{index}", "verb": "form.submit", "destination": place}}


def document(size: int) -> dict[str, Any]:
    """Return ten policies or more with `size` rules together."""
    policies: dict[str, Any] = {"core": {"rules": MATCHING}}
    for index, (agent, rule) in enumerate(_others(size - len(MATCHING))):
        slug = f"p{index % 9}-{agent}"
        policies.setdefault(slug, {"applies_to": {"agents": [agent]}, "rules": []})["rules"].append(rule)
    return policies


def median_us(compiled: Snapshot, said: Declared) -> tuple[float, str]:
    """Return the median time of one judgement in µs, and its effect."""
    who = subject()
    times = []
    effect = ""
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        effect = judge(compiled, who, said, NOW)[1].effect
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1_000, effect


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


def main() -> None:
    """Print the table."""
    said = {
        "form": form(),
        "email, 2 recipients": email("a@acme.com", "b@acme.com"),
        "denied": form("https://evil.com/"),
    }
    print(
        f"{'rules':>7} {'compile ms':>11}" + "".join(f"{name + ' µs':>24}" for name in said) + f"{'linear scan µs':>16}"
    )
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for size in SIZES:
        policies = document(size)
        parsed = parse(policies)
        start = time.perf_counter()
        compiled = compile_set(parsed, VERBS, None)
        spent = (time.perf_counter() - start) * 1_000
        line = f"{size:>7} {spent:>11.1f}"
        for name, one in said.items():
            last[name], effect = median_us(compiled, one)
            first.setdefault(name, last[name])
            line += f"{f'{last[name]:.1f} {effect}':>24}"
        print(line + f"{linear_us(policies, compiled, said['form']):>16.1f}")
    print("growth from 10 to 10,000 rules: " + ", ".join(f"{name} {last[name] / first[name]:.2f}×" for name in said))
    empty, _ = median_us(snapshot({}), said["form"])
    print(f"without any rule: {empty:.1f} µs")


if __name__ == "__main__":
    main()
