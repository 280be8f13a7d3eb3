"""Fields of rules, in plain words (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from controlplane.console.policies.offers import COMMAS, LINES, Offers, same
from controlplane.console.policies.sheets import (
    Field,
    Group,
    Value,
    Values,
    number,
    one_or_more,
    plain,
    several,
    split,
    texts_of,
)
from policies.language.shapes import LIMIT_BY
from policies.obligations import NAMES
from policies.routes import AUTO
from registry.catalogue import CAPABILITIES

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SOURCE_WORDS: Final = {
    "operator": "an operator",
    "user": "the user",
    "agent": "the agent itself",
    "tool": "a tool",
    "web": "the web",
}
_VERBS: Final = f"email.* is every verb one step below email, email.** every one below. {COMMAS} Empty: anything."
_PLACES: Final = f"https://jobs.example.com/*, email:*@example.com, slack:*. {LINES} Empty: anywhere."
_CLAIMS: Final = "As the agent says. What it says nothing of counts as from the web."
_CONDITION: Final = "A condition in CEL: action.units > 3. What may be missing needs has(): has(action.amount)."


def rule_groups(kind: str, offers: Offers) -> tuple[Group, ...]:
    """Return the groups of a rule of a kind that is known."""
    own = {
        "allow": (_batch(), _obligations()),
        "review": (_queue(offers), _batch(), _obligations()),
        "forbid": (),
        "limit": _limit(),
        "split": _split(),
        "hours": _hours(offers),
        "freeze": _freeze(offers),
    }
    return (_NAME, *own[kind], *_selectors(kind, offers))


_NAME: Final = plain(
    "name", Field("name", "Name", help="Short, a-z and 0-9: decisions and the audit trail name the rule by it.")
)


def _selectors(kind: str, offers: Offers) -> tuple[Group, ...]:
    found = [
        several("verb", Field("verb", "What: verbs", help=_VERBS, suggestions=offers.verbs)),
        several("destination", Field("destination", "Where to: destinations", "area", _PLACES), by_line=True),
        several(
            "data_class",
            Field(
                "data_class",
                "With data of the classes",
                help=f"{COMMAS} Empty: whatever the data.",
                suggestions=offers.data_classes,
            ),
        ),
        several(
            "capability",
            Field("capability", "What it can do", "checks", "None ticked: whatever it can do.", same(CAPABILITIES)),
        ),
    ]
    if kind != "allow":
        over = "For example 10000.00. An amount in another currency counts as over."
        found += [money("amount_over", ("For amounts over", "Currency of the amount"), over), _provenance()]
    found.append(plain("when", Field("when", "Only when", "code", _CONDITION)))
    return tuple(found)


def _provenance() -> Group:
    fields = (
        Field(
            "provenance",
            "With values that come from",
            "checks",
            _CLAIMS,
            tuple(_SOURCE_WORDS.items()),
        ),
        Field(
            "provenance_at",
            "Values at",
            "area",
            f"JSON pointers into the payload, such as /to/*. {LINES} Empty: anywhere.",
        ),
    )

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        raw = body.get("provenance")
        sources, places = (raw.get("from"), raw.get("at")) if isinstance(raw, Mapping) else (raw, None)
        return {"provenance": tuple(sorted(texts_of(sources))), "provenance_at": "\n".join(texts_of(places))}

    def write(values: Values) -> dict[str, Any]:
        sources, places = split(values["provenance"]), split(values["provenance_at"], by_line=True)
        if not places:
            return {"provenance": one_or_more(sources)} if sources else {}
        at = {"at": one_or_more(places)}
        return {"provenance": {**at, "from": one_or_more(sources)} if sources else at}

    return Group(("provenance",), fields, read, write)


def _batch() -> Group:
    return plain(
        "batch", Field("batch", "At most at once", help="Units of one action. Empty: any number."), numeric=True
    )


def _queue(offers: Offers) -> Group:
    options = (
        (AUTO, "every queue that takes it"),
        *((each, f"the queue {each}") for each in offers.queues),
        *((f"{AUTO}/{each}", f"every queue that takes it, else {each}") for each in offers.queues),
    )
    return plain("queue", Field("queue", "Who approves", "pick", "Queues say for themselves what they take.", options))


def _obligations() -> Group:
    known = "; ".join(f"{name}: {words}" for name, words in NAMES.items())
    field = Field("obligations", "Obliges to", "area", f"name:value. {known}. {LINES}")
    return several("obligations", field, by_line=True, always_list=True)


def _limit() -> tuple[Group, ...]:
    return (
        plain("units", Field("units", "At most units", help="Whole number."), numeric=True),
        _per(),
        _by("Counted for", (("", "the whole policy together"), *_each())),
    )


def _per() -> Group:
    return plain(
        "per", Field("per", "In any", help="30m, 24h, 7d: a window that slides.", suggestions=("1h", "1d", "7d"))
    )


def _each() -> tuple[tuple[str, str], ...]:
    return tuple((each, f"each {each}") for each in LIMIT_BY)


def _by(label: str, options: tuple[tuple[str, str], ...]) -> Group:
    return plain("by", Field("by", label, "pick", "", options))


def _split() -> tuple[Group, ...]:
    counts = (
        ("distinct:destination", "different destinations"),
        ("sum:units", "units"),
        ("sum:amount", "money"),
    )
    fields = (
        Field("counts", "Adds up", "pick", "Over many small actions.", counts),
        Field("max", "At most"),
        Field("max_currency", "Currency of the money", help="Only where money is added up: USD."),
    )

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        kind = "distinct" if "distinct" in body else "sum"
        most = body.get("max")
        money = most if isinstance(most, Mapping) else {"value": most}
        return {
            "counts": f"{kind}:{''.join(texts_of(body.get(kind)))}",
            "max": "".join(texts_of(money.get("value"))),
            "max_currency": "".join(texts_of(money.get("currency"))),
        }

    def write(values: Values) -> dict[str, Any]:
        kind, _, what = str(values["counts"]).partition(":")
        most = str(values["max"])
        money = what == "amount" or values["max_currency"]
        known = {kind: what} if kind in {"distinct", "sum"} else {}
        if not most:
            return known
        return {**known, "max": {"value": most, "currency": values["max_currency"]} if money else number(most)}

    return Group(("distinct", "sum", "max"), fields, read, write), _per(), _by("For", _each())


def _zone(offers: Offers, *, optional: bool) -> Group:
    words = "Only for times without an offset of their own." if optional else "Whose clock counts."
    return plain("zone", Field("zone", "Time zone", help=words, suggestions=offers.zones))


def _hours(offers: Offers) -> tuple[Group, ...]:
    days = Field("days", "Days", "checks", "None ticked: every day.", same(_DAYS))
    ticked = several("days", days)

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        return {"days": tuple(sorted({day for text in texts_of(body.get("days")) for day in _spelt(text)}))}

    def write(values: Values) -> dict[str, Any]:
        return ticked.write({"days": tuple(day for day in _DAYS if day in values["days"])})

    return (
        Group(("days",), (days,), read, write),
        plain("from", Field("from", "Opens at", help="09:00")),
        plain("until", Field("until", "Closes at", help="18:00, or 24:00. At this very time it is closed.")),
        _zone(offers, optional=False),
        several(
            "holidays",
            Field("holidays", "Closed on", "area", f"Dates, such as 2026-12-25. {LINES}"),
            by_line=True,
            always_list=True,
        ),
    )


def _spelt(text: str) -> tuple[str, ...]:
    """Return the days that ``mon`` or ``fri-mon`` means; what is neither stays as it is."""
    first, _, last = text.partition("-")
    if first not in _DAYS or (last or first) not in _DAYS:
        return (text,)
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return tuple(_DAYS[day % 7] for day in range(start, end + 1 if end >= start else end + 8))


def _freeze(offers: Offers) -> tuple[Group, ...]:
    return (
        plain("from", Field("from", "From", help="A date, or a time: 2026-12-24 or 2026-12-24T18:00.")),
        plain("until", Field("until", "Until", help="A date, that is its midnight, or a time.")),
        _zone(offers, optional=True),
    )


def money(key: str, labels: tuple[str, str], help_text: str = "", inside: str = "") -> Group:
    """Return a group of an amount and its currency."""
    fields = (
        Field("amount_value", labels[0], help=help_text),
        Field("amount_currency", labels[1], help="ISO 4217, such as USD."),
    )

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        raw = body.get(key)
        value = raw if isinstance(raw, Mapping) else {}
        return {f"amount_{part}": "".join(texts_of(value.get(part))) for part in ("value", "currency")}

    def write(values: Values) -> dict[str, Any]:
        value, currency = values["amount_value"], values["amount_currency"]
        return {key: {"value": value, "currency": currency}} if value or currency else {}

    return Group((key,), fields, read, write, inside)
