"""What model calls cost (pure): the prices that ship with genai-prices, never fetched.

Counts come in disjoint buckets. genai-prices' own input count **includes** cached tokens (it
subtracts what has a price of its own), so the buckets are added up for it; its long-context tiers
look at that sum as the providers do. Prices are USD per million tokens, sums are exact decimals.

Rounding: once per call, over all its buckets, to the nearest nano-USD, ties to even; at most
`costs.money.MAX_CALL_NANOUSD`.

Calls are priced at the standard rate, cache writes at the shortest lifetime: the buckets say
nothing of batches, service tiers, lifetimes or modality.

What it would silently price at zero is unpriced here: a model without prices, or without a price
for a bucket that holds tokens. Cached tokens without a price of their own cost what input costs,
as the providers bill them. A listed price of zero is a price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, localcontext
from functools import cache, lru_cache
from importlib import metadata, resources

from genai_prices import data, data_units
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, Usage

from audit.refusals import Invalid, Problem
from costs.money import MAX_CALL_NANOUSD, NANO
from runs.preparing import MAX_TOKENS

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_KEYS = frozenset(
    {"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "output_reasoning_tokens"}
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one model call, in disjoint buckets.

    Attributes:
        input_uncached: input that no cache served or stored.
        cache_read: input served from a cache.
        cache_write: input stored in a cache.
        output: everything the model wrote, its reasoning included.
        reasoning: the part of output that is reasoning; a few models price it apart.
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one call.

    Attributes:
        nanousd: what it cost, nano-USD.
        version: identity of the price list, as `price_version` returns it.
    """

    nanousd: int
    version: str


def read_tokens(counts: Mapping[str, object]) -> Tokens:
    """Read the buckets of a call from a mapping.

    Args:
        counts: tokens by bucket; missing buckets are empty.

    Raises:
        Invalid: an unknown bucket, a count that is not an integer from 0 to `MAX_TOKENS`, or more
            reasoning than output.
    """
    known = {field.name for field in fields(Tokens)}
    problems = [
        Problem(f"/{name}", "unknown_field", "This is not a bucket of tokens.") for name in counts if name not in known
    ]
    found: dict[str, int] = {}
    for name in known & counts.keys():
        count = counts[name]
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_TOKENS:
            found[name] = count
        else:
            problems.append(Problem(f"/{name}", "bad_count", f"Tokens are an integer from 0 to {MAX_TOKENS}."))
    if not problems and found.get("reasoning", 0) > found.get("output", 0):
        problems.append(Problem("/reasoning", "bad_count", "Reasoning is a part of output and cannot exceed it."))
    if problems:
        raise Invalid("The token counts are not valid.", errors=problems)
    return Tokens(**found)


def price(*, provider: str, model: str, tokens: Tokens, at: datetime) -> Price | None:
    """Return what a call cost.

    Args:
        provider: who served the model, by any name that genai-prices knows; empty finds the
            provider by the model's name.
        model: the model's name as the provider takes it.
        tokens: its counts.
        at: when it was made, aware: prices change by date and time of day.

    Returns:
        The price, or None where there is none to be known: the call is unpriced.
    """
    found = _find(provider, model)
    if found is None:
        return None
    seller, info = found
    if not info.prices or not _covers(info.get_prices(at), tokens):
        return None
    usage = Usage(
        input_tokens=tokens.input_uncached + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
        output_reasoning_tokens=tokens.reasoning,
    )
    with localcontext(_EXACT):
        total = info.calc_price(usage, seller, genai_request_timestamp=at).total_price * NANO
        nanousd = int(total.to_integral_value(rounding=ROUND_HALF_EVEN))
    return Price(min(nanousd, MAX_CALL_NANOUSD), price_version())


@cache
def price_version() -> str:
    """Return the identity of the price list: package, version, and a digest of its data.

    Raises:
        RuntimeError: the package no longer knows the counts that are handed to it; it would only
            warn and leave them out.
    """
    if not data_units.unit_data.keys() >= _KEYS:
        raise RuntimeError("genai-prices no longer knows the token counts that are priced here")
    digest = hashlib.sha256()
    for name in ("data.py", "data_units.py"):
        digest.update(resources.files("genai_prices").joinpath(name).read_bytes())
    return f"genai-prices {metadata.version('genai-prices')} {digest.hexdigest()[:12]}"


def _covers(prices: ModelPrice, tokens: Tokens) -> bool:
    """Say whether every bucket that holds tokens has a price."""
    has_input, has_output = prices.input_mtok is not None, prices.output_mtok is not None
    return (
        (has_input or has_output)
        and (has_input or not tokens.input_uncached)
        and (has_input or prices.cache_read_mtok is not None or not tokens.cache_read)
        and (has_input or prices.cache_write_mtok is not None or not tokens.cache_write)
        and (has_output or not tokens.output)
    )


# Bounded: agents name the models, and the package's own memory of names grows without end.
@lru_cache(maxsize=4096)
def _find(provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
    if not model:
        return None
    # A snapshot of the shipped list: one that something else in the process fetched plays no part.
    snapshot = DataSnapshot(providers=data.providers, from_auto_update=False)
    try:
        return snapshot.find_provider_model(model, None, provider or None, None)
    except LookupError:
        return None
