"""From what an agent said to the action that counts."""

from __future__ import annotations

from collections.abc import Mapping

from policies.destinations import Destination, DestinationInvalid, check_destination, from_payload
from policies.facts import Action, Declared, Reason, Subject
from policies.reasons import reason
from registry.catalogue import Extracted, Mismatch, VerbSpec, extract


def action_of(verbs: Mapping[str, VerbSpec], subject: Subject, declared: Declared) -> Action | tuple[Reason, ...]:
    """Hold a declaration against the verb catalogue and the payload.

    Args:
        verbs: the catalogue.
        subject: the asking agent, whose scopes count where none are declared.
        declared: what it said.

    Returns:
        The action that counts; or the reasons for which there is none: an unknown verb, a
        disagreement, a destination that is not acceptable.
    """
    spec = verbs.get(declared.verb)
    if spec is None:
        return unknown_verb(declared.verb)
    extracted = extract(spec, declared)
    if isinstance(extracted, Mismatch):
        return (_mismatch(extracted.pointer, extracted.detail),)
    try:
        destinations = _destinations(extracted, declared)
    except DestinationInvalid as error:
        return (reason("destination_invalid", kind=error.code, detail=error.detail),)
    if isinstance(destinations, Reason):
        return (destinations,)
    return Action(
        verb=declared.verb,
        capability=extracted.capability,
        destinations=destinations,
        units=extracted.units,
        amount=extracted.amount,
        data_classes=extracted.data_classes,
        data_scopes=subject.data_scopes if declared.data_scopes is None else declared.data_scopes,
        payload=declared.payload,
        provenance=declared.provenance,
    )


def unknown_verb(verb: str) -> tuple[Reason, ...]:
    """Return both reasons of an unknown verb: the one that clients know, and the plain one."""
    return (
        _mismatch("/verb", "the verb catalogue has no such verb."),
        reason("unknown_verb", verb=verb),
    )


def _mismatch(pointer: str, detail: str) -> Reason:
    return reason("declaration_mismatch", pointer=pointer, detail=detail)


def _destinations(extracted: Extracted, declared: Declared) -> tuple[Destination, ...] | Reason:
    said = None if declared.destination is None else check_destination(declared.destination)
    if extracted.destinations is None:
        return () if said is None else (said,)
    found = tuple(from_payload(value, extracted.kind) for value in extracted.destinations)
    if said is not None and any(one.identity != said.identity for one in found):
        # Also where one of several agrees: naming one recipient must not hide the others.
        detail = "the payload has another destination; for several, leave the declared one out."
        return _mismatch("/destination", detail)
    return found
