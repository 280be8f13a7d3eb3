"""Reference pages that are drawn from the code, so that they cannot disagree with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import apps

from controlplane import api_reference, environment
from policies.reasons import CATALOGUE


def settings_page() -> str:
    """Return the page of environment variables."""
    lines = [
        "# Settings",
        "",
        "Everything is set by environment variables; an empty one counts as absent. A value that means nothing stops",
        "the start with a message that names the variable. This page is drawn by `manage.py reference`.",
        "",
        "| variable | kind | default | meaning |",
        "|---|---|---|---|",
    ]
    for entry in environment.variables():
        default = entry.shown or (f"`{entry.default}`" if entry.default else "none")
        lines.append(f"| `{entry.name}` | {entry.kind} | {default} | {entry.help} |")
    lines.append(
        f"| `{environment.BOOTSTRAP_SWITCH}` | boolean | `0` | With `1`, `manage.py` uses the Python that runs it and "
        "installs nothing: for images that hold the packages already. |"
    )
    return "\n".join(lines) + "\n"


def states_page() -> str:
    """Return the page of state machines, from the transition tables of all models."""
    lines = [
        "# States",
        "",
        "Every state machine of the product. Only these steps exist; each one leaves an entry in the audit trail.",
        "This page is drawn by `manage.py reference`.",
    ]
    for model in stateful_models():
        words = dict(model._meta.get_field("state").flatchoices)
        lines += ["", f"## {model._meta.verbose_name}", "", "| state | means | may become |", "|---|---|---|"]
        for state, following in model.TRANSITIONS.items():
            after = ", ".join(f"`{name}`" for name in words if name in following) or "final"
            lines.append(f"| `{state}` | {words[state]} | {after} |")
    return "\n".join(lines) + "\n"


def stateful_models() -> list[Any]:
    """Return every model with a state, sorted by name."""
    models = (model for model in apps.get_models() if hasattr(model, "TRANSITIONS"))
    return sorted(models, key=lambda model: str(model._meta.verbose_name))


def reasons_page() -> str:
    """Return the page of reason codes."""
    lines = [
        "# Reason codes",
        "",
        "Why a decision says what it says: the codes that clients may compare, and who can change the answer.",
        "This page is drawn by `manage.py reference`.",
        "",
        "| code | effect | sentence | who can change it |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{entry.code}` | {entry.effect} | {entry.sentence} | {entry.changed_by} |" for entry in CATALOGUE.values()
    ]
    return "\n".join(lines) + "\n"


# File below ``docs/reference`` and what draws it.
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "states.md": states_page,
    "reasons.md": reasons_page,
    "api.md": api_reference.draw,
}


def stale(folder: Path) -> list[str]:
    """Return the names of pages that differ from what the code says.

    Args:
        folder: ``docs/reference``.
    """
    return [name for name, draw in PAGES.items() if _text_of(folder / name) != draw()]


def write(folder: Path) -> list[str]:
    """Write the pages that differ; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = stale(folder)
    for name in changed:
        (folder / name).write_text(PAGES[name]())
    return changed


def _text_of(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None
