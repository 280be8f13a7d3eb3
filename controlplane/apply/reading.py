"""Small readers that the sections' form checks share; each notes defects and returns nothing."""

from __future__ import annotations

from collections.abc import Collection

from registry.documents import Section, join


def optional_text(section: Section, key: str, *, empty: bool = False) -> None:
    """Check one text; null counts as none.

    Args:
        section: the entry.
        key: the key.
        empty: whether empty text is admitted as well.
    """
    value = section.take(key)
    if value is None or (empty and value == ""):
        return
    section.text(key)


def text_list(section: Section, key: str, *, choices: Collection[str] = ()) -> None:
    """Check a list of texts without repetition, which may be empty.

    Args:
        section: the entry.
        key: the key.
        choices: the texts admitted; any when left out.
    """
    seen: set[str] = set()
    for index, item in enumerate(section.items(key)):
        where = join(section.at(key), index)
        if not isinstance(item, str) or not item:
            section.problems.add(where, "wrong_type", "Expected text.")
        elif item in seen:
            section.problems.add(where, "repeated", f"“{item}” stands twice.")
        elif choices and item not in choices:
            section.problems.add(where, "unknown_value", f"“{item}” is not one of {', '.join(choices)}.")
        else:
            seen.add(item)


def yes_or_no(section: Section, *keys: str) -> None:
    """Check values that are true or false."""
    for key in keys:
        if section.has(key) and not isinstance(section.take(key), bool):
            section.add(key, "wrong_type", "Say true or false.")
