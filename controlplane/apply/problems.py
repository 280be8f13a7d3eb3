"""Defects of a document, with the lines on which they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.refusals import Problem
from registry.documents import DocumentInvalid

Lines = dict[str, int]


@dataclass(frozen=True, slots=True)
class Located:
    """One defect.

    Attributes:
        line: counted from 1.
        pointer: JSON pointer into the document.
        detail: one sentence.
    """

    line: int
    pointer: str
    detail: str

    def __str__(self) -> str:
        """Say where and what."""
        return f"{self.pointer[1:]}: {self.detail}" if self.pointer[1:] else self.detail


class DocumentRefused(DocumentInvalid):
    """A document that cannot be applied; nothing was changed.

    Attributes:
        located: the defects in the order of their lines.
    """

    def __init__(self, errors: Iterable[Problem], located: Iterable[Located]) -> None:
        self.located = tuple(located)
        super().__init__(tuple(errors))


def line_of(pointer: str, lines: Lines) -> int:
    """Return the line on which something stands, or the nearest thing around it that stands anywhere."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)


def located(problems: Iterable[Problem], lines: Lines) -> DocumentRefused:
    """Make the refusal that carries defects with their lines.

    Args:
        problems: with pointers into the document.
        lines: line by pointer.
    """
    found = list(dict.fromkeys(problems))
    places = [Located(line_of(item.pointer, lines), item.pointer, item.detail) for item in found]
    return DocumentRefused(found, sorted(places, key=lambda place: (place.line, place.pointer)))
