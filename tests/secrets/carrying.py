"""One text that carries a secret of every form, and its way through an input that may have room for fewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.secrets.canaries import FORMS, Canary
from tests.secrets.looking import database, found_in


def text_of(forms: Sequence[Canary] = FORMS) -> str:
    """Return a text with some secrets, one a line: some forms reach to the end of theirs."""
    return "\n".join(f"because {each.text}" for each in forms)


def carry(send: Callable[[str], int]) -> int:
    """Send a secret of every form, all in one text where an input takes it, else in as few as it takes.

    Args:
        send: sends a text and returns the status of the answer.

    Returns:
        How many forms were accepted; 0 of an input that takes no words of one's own.
    """
    if send(text_of()) < 400:
        return len(FORMS)
    shortest = min(FORMS, key=lambda each: len(each.text))
    if send(text_of([shortest])) >= 400:
        return 0
    half = len(FORMS) // 2
    return _halves(send, FORMS[:half]) + _halves(send, FORMS[half:])


def _halves(send: Callable[[str], int], forms: Sequence[Canary]) -> int:
    if send(text_of(forms)) < 400:
        return len(forms)
    half = len(forms) // 2
    return _halves(send, forms[:half]) + _halves(send, forms[half:]) if half else 0


def kept(planted: Sequence[Canary] = FORMS) -> dict[str, list[str]]:
    """Return what the database holds of what was planted, by column."""
    held = database()
    # Most of the time nothing is found, and one look is enough.
    if not found_in("\n".join(held.values()), planted):
        return {}
    return {place: names for place, text in held.items() if (names := found_in(text, planted))}
