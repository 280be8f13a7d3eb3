"""Prices, against sums done by hand from the listed USD per million tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import metadata

import pytest
from genai_prices import data, data_snapshot
from genai_prices.types import ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from audit.refusals import Invalid
from costs import prices
from costs.prices import Tokens, price, price_version, read_tokens
from runs.preparing import MAX_TOKENS

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def nanousd(provider: str, model: str, at: datetime = AT, **tokens: int) -> int | None:
    found = price(provider=provider, model=model, tokens=Tokens(**tokens), at=at)
    return found.nanousd if found else None


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "expected"),
    [
        # 2.50 in, 1.25 cached, 10.00 out: 1,000 nano-USD per token and USD of price.
        ("openai", "gpt-4o", {"input_uncached": 1000}, 2_500_000),
        ("openai", "gpt-4o", {"cache_read": 1000}, 1_250_000),
        ("openai", "gpt-4o", {"output": 1000}, 10_000_000),
        ("openai", "gpt-4o", {"output": 1000, "reasoning": 900}, 10_000_000),
        ("openai", "gpt-4o", {"input_uncached": 700, "cache_read": 300, "output": 10}, 1_750_000 + 375_000 + 100_000),
        # 1.00 in, 0.10 read, 1.25 written, 5.00 out.
        (
            "anthropic", "claude-haiku-4-5-20251001",
            {"input_uncached": 10, "cache_read": 2000, "cache_write": 400, "output": 3},
            10_000 + 200_000 + 500_000 + 15_000,
        ),
        # A long context is what all input adds up to: 200,001 tokens cost 6.00 and 0.60.
        ("anthropic", "claude-sonnet-4-5", {"input_uncached": 1, "cache_read": 200_000}, 6_000 + 120_000_000),
        ("anthropic", "claude-sonnet-4-5", {"input_uncached": 1, "cache_read": 199_999}, 3_000 + 59_999_700),
        # No price for cached tokens of their own: they cost what input costs.
        ("openai", "gpt-4o", {"cache_write": 1000}, 2_500_000),
        # Reasoning apart: 8.00 out, of it 3.00 for reasoning.
        ("perplexity", "sonar-deep-research", {"output": 100, "reasoning": 40}, 60 * 8_000 + 40 * 3_000),
        # A fee per request: 12.00 per thousand, 1.00 in.
        ("perplexity", "sonar", {"input_uncached": 10}, 12_000_000 + 10_000),
        ("openai", "gpt-4o", {}, 0),
    ],
)  # fmt: skip
def test_price_matches_sums_by_hand(provider: str, model: str, tokens: dict[str, int], expected: int) -> None:
    assert nanousd(provider, model, **tokens) == expected


def test_price_follows_the_time_of_day() -> None:
    # deepseek-chat: 0.27 in by day (00:30 to 16:30 UTC), 0.135 by night.
    assert nanousd("deepseek", "deepseek-chat", input_uncached=1000) == 270_000
    assert nanousd("deepseek", "deepseek-chat", AT.replace(hour=20), input_uncached=1000) == 135_000


@pytest.mark.parametrize(("tokens", "expected"), [(1, 80), (3, 242), (5, 402), (7, 564)])
def test_price_rounds_once_per_call_with_ties_to_even(tokens: int, expected: int) -> None:
    # 0.0805 per million are 80.5 nano-USD per token.
    assert nanousd("avian", "deepseek/deepseek-v4-flash", datetime(2026, 1, 1, tzinfo=UTC), input_uncached=tokens) == (
        expected
    )


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "no-such-model", {"output": 1}),
        ("no-such-provider", "gpt-4o", {"output": 1}),
        ("", "no-such-model", {"output": 1}),
        ("openai", "", {"output": 1}),
        # Known, but without any price, or without one for what was used.
        ("openai", "omni-moderation-latest", {"input_uncached": 1}),
        ("openai", "omni-moderation-latest", {}),
        ("openai", "text-embedding-3-small", {"input_uncached": 5, "output": 1}),
    ],
)
def test_price_unknown_is_unpriced_and_never_zero(provider: str, model: str, tokens: dict[str, int]) -> None:
    assert nanousd(provider, model, **tokens) is None


def test_price_of_an_embedding_needs_no_price_of_output() -> None:
    assert nanousd("openai", "text-embedding-3-small", input_uncached=1000) == 20_000


def test_price_finds_the_provider_by_the_model() -> None:
    assert nanousd("", "gpt-4o", output=1000) == 10_000_000


def test_price_ignores_lists_that_were_fetched() -> None:
    data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=[], from_auto_update=True))
    try:
        assert nanousd("openai", "gpt-4o-2024-08-06", output=1000) == 10_000_000
    finally:
        data_snapshot.set_custom_snapshot(None)


def test_price_memory_of_names_is_bounded() -> None:
    assert prices._find.cache_info().maxsize == 4096


def test_price_version_names_package_and_data() -> None:
    name, version, digest = price_version().split()
    assert (name, version) == ("genai-prices", metadata.version("genai-prices"))
    assert len(digest) == 12


def _plain_models() -> list[tuple[str, str, ModelPrice]]:
    """Models whose price is three plain numbers: what the property below can add up itself."""
    keys = {"input_mtok", "cache_read_mtok", "output_mtok"}
    found = []
    for provider in data.providers:
        for model in provider.models:
            listed = model.prices
            if isinstance(listed, ModelPrice):
                values = {key: value for key, value in vars(listed).items() if value is not None}
                if values.keys() == keys and all(isinstance(value, Decimal) for value in values.values()):
                    found.append((provider.id, model.id, listed))
    return found


PLAIN = _plain_models()


@given(st.sampled_from(PLAIN), *[st.integers(0, MAX_TOKENS)] * 4)
def test_price_is_the_exact_sum_of_its_buckets(
    listed: tuple[str, str, ModelPrice], uncached: int, read: int, written: int, output: int
) -> None:
    provider, model, rates = listed
    found = prices._find(provider, model)
    if found is None or found[1].prices is not rates:
        return  # an earlier model of this provider answers to the name
    exact = (
        (uncached + written) * Decimal(rates.input_mtok)  # type: ignore[arg-type]
        + read * Decimal(rates.cache_read_mtok)  # type: ignore[arg-type]
        + output * Decimal(rates.output_mtok)  # type: ignore[arg-type]
    ) * 1000
    expected = int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
    tokens = Tokens(input_uncached=uncached, cache_read=read, cache_write=written, output=output)
    assert price(provider=provider, model=model, tokens=tokens, at=AT) == prices.Price(expected, price_version())


def test_read_tokens_reads_disjoint_buckets() -> None:
    assert read_tokens({"input_uncached": 3, "output": 4, "reasoning": 4}) == Tokens(3, 0, 0, 4, 4)


@pytest.mark.parametrize(
    ("counts", "pointer", "code"),
    [
        ({"input": 3}, "/input", "unknown_field"),
        ({"output": -1}, "/output", "bad_count"),
        ({"output": True}, "/output", "bad_count"),
        ({"output": 1.5}, "/output", "bad_count"),
        ({"output": "3"}, "/output", "bad_count"),
        ({"output": MAX_TOKENS + 1}, "/output", "bad_count"),
        ({"output": 1, "reasoning": 2}, "/reasoning", "bad_count"),
    ],
)
def test_read_tokens_refuses_what_it_does_not_know(counts: dict[str, object], pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_tokens(counts)
    assert [(problem.pointer, problem.code) for problem in caught.value.errors] == [(pointer, code)]
