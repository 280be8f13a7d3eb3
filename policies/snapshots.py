"""The compiled policies in force, kept in the process and checked by revision at every use.

Nothing is served from memory unless what was read in the caller's own transaction says that it
is still what the database holds. The keys are a digest and a random number, never a counter: a
transaction that was rolled back could have used up a counter's next value for other contents.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.refusals import Refusal, Unavailable
from policies.compile import Snapshot, compile_set
from policies.language import parse
from policies.models import Revision
from policies.states import RevisionState
from registry.catalogue import VerbSpec, parse_verb
from registry.models import Verb


@dataclass(frozen=True, slots=True)
class _Held:
    digest: str
    catalogue: int
    snapshot: Snapshot


class _Memory:
    """The one snapshot that this process holds; replaced whole, so readers need no lock."""

    held: _Held | None = None


def verbs_in_force() -> dict[str, VerbSpec]:
    """Read the verb catalogue."""
    return {verb.name: parse_verb(verb.name, verb.spec) for verb in Verb.objects.all()}


def current(*, digest: str, catalogue: int) -> Snapshot:
    """Return the snapshot for what the caller read in its transaction.

    Args:
        digest: digest of the published revision's document, empty for none.
        catalogue: `registry.models.Catalogue.revision`.

    Raises:
        Unavailable: they cannot be read; nothing may be decided.
    """
    held = _Memory.held
    if held is not None and held.digest == digest and held.catalogue == catalogue:
        return held.snapshot
    document: dict[str, object] = {}
    if digest:
        document = Revision.objects.filter(digest=digest).values_list("document", flat=True)[0]
    try:
        snapshot = compile_set(parse(document), verbs_in_force(), None)
    except Refusal as refusal:
        # Told as it is, it would say that the asker's own body is wrong.
        raise Unavailable(f"The policies in force cannot be read: {refusal}") from refusal
    _Memory.held = _Held(digest, catalogue, snapshot)
    return snapshot


def published() -> Revision | None:
    """Return the published revision."""
    return Revision.objects.filter(state=RevisionState.PUBLISHED).first()
