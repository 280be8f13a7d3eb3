"""Typed money as agents and policies write it: ``{"value": "820.00", "currency": "USD"}``.

This is money that an action moves. What running an agent costs is nano-USD, elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

# ISO 4217 (list one, 2026), without metals, test codes and "no currency".
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
    CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW
    UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a table, not a sentence
)

# Plain decimal text: no sign (a negative amount would slip under every threshold), no exponent, no NaN.
_VALUE: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount; two of them are equal when value and currency are (820.00 is 820)."""

    value: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.value} {self.currency}"


class AmountInvalid(ValueError):
    """Something that should be money is not.

    Attributes:
        pointer: JSON pointer within the amount: ``""``, ``/value`` or ``/currency``.
        detail: one sentence for people.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail
        super().__init__(detail)


def parse_money(raw: object) -> Money:
    """Read ``{"value": decimal text, "currency": ISO 4217 code}``.

    Raises:
        AmountInvalid: another form, another key, a sign, more than 18 digits before or 9 after the
            point, or an unknown currency.
    """
    if not isinstance(raw, Mapping) or set(raw) != {"value", "currency"}:
        raise AmountInvalid("", 'Write an amount as {"value": "820.00", "currency": "USD"}.')
    value, currency = raw["value"], raw["currency"]
    if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
        raise AmountInvalid("/value", 'The value must be decimal text without a sign, in quotes: "820.00".')
    if not isinstance(currency, str) or currency not in CURRENCIES:
        raise AmountInvalid("/currency", "The currency must be a current ISO 4217 code, such as USD.")
    return Money(Decimal(value), currency)
