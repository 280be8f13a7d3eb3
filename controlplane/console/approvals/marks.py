"""What is marked on the approval page: destinations, units, amount, hosts, origins; new ones and look-alikes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from approvals.amounts import money_of
from approvals.models import ActionRevision, ApprovalRequest, KnownDestination
from approvals.models.afterwards import digest_of
from approvals.risk import Risk, assess
from controlplane.console.approvals import marking
from controlplane.console.approvals.findings import Tag
from controlplane.console.approvals.lookalikes import Domains, LookAlike
from controlplane.console.approvals.marking import AMOUNT, DESTINATION, UNITS, Line
from policies.language import parse
from policies.snapshots import published
from registry.catalogue import VerbSpec, parse_verb
from registry.models import Verb
from registry.pointers import NoTarget, Pointer, targets

MOST_KNOWN: Final = 500
_UNTRUSTED: Final = frozenset({"web", "tool"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the action goes.

    Attributes:
        text: as extracted.
        new: whether no action of this agent ever succeeded there.
        look: the known domain that it could be taken for; None where there is none.
    """

    text: str
    new: bool
    look: LookAlike | None


@dataclass(frozen=True, slots=True)
class Marked:
    """The bytes in marked lines, and the destinations and the risk apart."""

    lines: tuple[Line, ...]
    destinations: tuple[Destination, ...]
    risk: Risk

    @property
    def new(self) -> int:
        """At how many destinations no action of this agent ever succeeded."""
        return len({one.text for one in self.destinations if one.new})


def read_marks(request: ApprovalRequest, current: ActionRevision, *, known: Domains | None = None) -> Marked:
    """Read what is marked in a revision's bytes.

    Args:
        request: its agent and decision are joined.
        current: the revision that is shown.
        known: of `known_domains`, where several requests of one agent are read; None: read here.
    """
    value = json.loads(bytes(current.body))
    facts = current.facts
    known = known or known_domains(request)
    destinations = tuple(_destinations(request.agent_id, facts["destinations"], known))
    spec = _spec(request.decision.verb)
    tags = _tags(value, facts, spec, destinations)
    risk = assess(
        # A verb that has left the catalogue is judged as the worst.
        capability=spec.capability if spec else "execute",
        data_classes=facts["data_classes"],
        amount=money_of(facts),
        units=facts["units"],
        new_destinations=len({one.text for one in destinations if one.new}),
    )
    hosts = {host: _of_host(host, known) for host in marking.hosts_in(value)}
    return Marked(marking.lay_out(value, tags, hosts), destinations, risk)


def domain_of(destination: str) -> str:
    """Return the domain of an address or URL; empty for what has none."""
    kind, _, rest = destination.partition(":")
    if kind == "email":
        return rest.rpartition("@")[2].lower()
    if kind in {"http", "https"}:
        host = rest.removeprefix("//").partition("/")[0].partition("?")[0]
        return host if host.startswith("[") else host.partition(":")[0].lower()
    return ""


def known_domains(request: ApprovalRequest) -> Domains:
    """Return the domains that are known: where the team's agents succeeded, and those that policies name."""
    rows = KnownDestination.objects.filter(agent__team=request.agent.team_id)
    seen = rows.values_list("destination", flat=True)[:MOST_KNOWN]
    live = published()
    named: list[str] = []
    if live is not None:
        for policy in parse(live.document).policies.values():
            for rule in policy.rules:
                if rule.kind != "forbid":
                    named += [pattern.text for pattern in rule.selectors.destinations]
    domains = {domain_of(text).removeprefix("*.") for text in (*seen, *named)}
    return Domains(domain for domain in domains if domain and "*" not in domain)


def _destinations(agent_id: int, texts: Iterable[str], known: Domains) -> Iterable[Destination]:
    texts = list(texts)
    seen = set(KnownDestination.objects.of_agent(agent_id, texts).values_list("digest", flat=True))
    for text in texts:
        domain = domain_of(text)
        yield Destination(text, digest_of(text) not in seen, known.look_alike(domain) if domain else None)


def _spec(verb: str) -> VerbSpec | None:
    row = Verb.objects.filter(name=verb).first()
    return parse_verb(row.name, row.spec) if row else None


def tags_of(destination: Destination) -> tuple[Tag, ...]:
    """Say of a destination what it is, and what should make one stop."""
    found = [DESTINATION]
    if destination.look is not None:
        found.append(Tag("bad", f"looks like {destination.look.known}: {destination.look.how}"))
    if destination.new:
        found.append(Tag("warn", "▲ new to this agent"))
    return (*found, *marking.tags_of_host(domain_of(destination.text)))


def _tags(
    value: Mapping[str, Any], facts: Mapping[str, Any], spec: VerbSpec | None, destinations: tuple[Destination, ...]
) -> dict[str, tuple[Tag, ...]]:
    found: defaultdict[str, tuple[Tag, ...]] = defaultdict(tuple)
    if spec is not None and spec.destination is not None:
        for (where, _), destination in zip(_targets(value, spec.destination), destinations, strict=False):
            found[where] += tags_of(destination)
    elif destinations:
        found["/destination"] += tags_of(destinations[0])
    for pointer, tag in ((spec.units, UNITS), (spec.amount, AMOUNT)) if spec else ():
        if isinstance(pointer, Pointer):
            for where, _ in _targets(value, pointer):
                found[where] += (tag,)
    for pointer, source in sorted(facts["provenance"].items()):
        found[f"/payload{pointer}"] += (Tag("warn" if source in _UNTRUSTED else "still", f"from {source}"),)
    return dict(found)


def _targets(value: Mapping[str, Any], pointer: Pointer) -> list[tuple[str, object]]:
    try:
        return targets(value["payload"], pointer, at="/payload")
    except NoTarget:
        # The catalogue has changed since: what was extracted then stands beside the bytes.
        return []


def _of_host(host: str, known: Domains) -> tuple[Tag, ...]:
    said = marking.tags_of_host(host)
    look = known.look_alike(host.lower())
    if look is not None:
        said = (Tag("bad", f"looks like {look.known}: {look.how}"), *said)
    return said
