"""Settings: what this installation was started with, and where each value comes from; nothing is changed here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from controlplane import environment
from controlplane.console.people import viewer
from controlplane.environment import BOOTSTRAP_SWITCH, Environment
from controlplane.keyring import KEPT
from controlplane.parsing import Variable
from registry.states import Role

# Of these the environment's own word is where the value in force begins, and this is where it ends.
_IN_FORCE: Final[Mapping[str, str]] = {
    "lane_port_given": "lane_port",
    "lane_url": "lane_address",
    "public_url": "console_url",
}
_ENVIRONMENT, _FILE, _DEFAULT, _PROCESS = "environment", "file", "default", "this process alone"


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting.

    Attributes:
        name: of its variable.
        value: in force, in words; of a secret only whether it is set.
        source: ``environment``, ``file``, ``default``, or ``this process alone`` for a secret that nobody keeps.
        meaning: what it is for.
    """

    name: str
    value: str
    source: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """Everything that the page shows.

    Attributes:
        lines: in the order of the reference.
        unknown: variables that look like ours and mean nothing.
    """

    lines: tuple[SettingLine, ...]
    unknown: tuple[str, ...]


def read_settings(
    env: Environment,
    *,
    given: Collection[str],
    ephemeral: Collection[str] = (),
    allowed_hosts: Collection[str] = (),
    skips_bootstrap: bool = False,
    unknown: Collection[str] = (),
) -> SettingsPage:
    """Write the settings in force.

    Args:
        env: what the process was started with.
        given: names of the variables that its environment sets.
        ephemeral: names of the secrets that were made up for this process.
        allowed_hosts: in force.
        skips_bootstrap: whether `BOOTSTRAP_SWITCH` is on.
        unknown: names that look like variables of ours.
    """
    lines = []
    for field in fields(Environment):
        entry: Variable = field.metadata["variable"]
        source = _source(env, field.name, entry, given, ephemeral)
        if entry.secret:
            value = "not set" if source == _DEFAULT else "set"
        elif field.name == "allowed_hosts":
            value = _written(tuple(allowed_hosts))
        else:
            value = _written(getattr(env, _IN_FORCE.get(field.name, field.name)))
        lines.append(SettingLine(entry.name, value or _plain(entry.shown) or "none", source, _plain(entry.help)))
    switch = SettingLine(
        BOOTSTRAP_SWITCH, "on" if skips_bootstrap else "off", _ENVIRONMENT if skips_bootstrap else _DEFAULT,
        "Whether manage.py uses the Python that runs it and installs nothing.",
    )  # fmt: skip
    return SettingsPage((*lines, switch), tuple(unknown))


def _source(env: Environment, name: str, entry: Variable, given: Collection[str], ephemeral: Collection[str]) -> str:
    if entry.name in given:
        return _ENVIRONMENT
    if getattr(env, f"{name}_file", None) is not None:
        return _FILE
    if name in KEPT:
        # Generated into the home folder; what could not be kept there is worth nothing to another process.
        return _PROCESS if name in ephemeral else _FILE
    return _DEFAULT


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join("=".join(each) if isinstance(each, tuple) else str(each) for each in value)
    return str(value)


def _plain(text: str) -> str:
    """Take the reference's marks out of a sentence."""
    return text.replace("`", "")


def show_settings(request: HttpRequest, frame: Mapping[str, Any]) -> HttpResponse:
    """Show the page.

    Args:
        request: of an administrator.
        frame: what stands around every page.

    Raises:
        PermissionDenied: of anybody else.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(("GET", "HEAD"))
    if viewer(request).role != Role.ADMIN:
        raise PermissionDenied
    page = read_settings(
        settings.ENVIRONMENT,
        given=environment.given(),
        ephemeral=settings.KEYRING.ephemeral,
        allowed_hosts=settings.ALLOWED_HOSTS,
        skips_bootstrap=environment.skips_bootstrap(),
        unknown=environment.unknown_names(),
    )
    return TemplateResponse(request, "console/settings.html", {**frame, "title": "Settings", "page": page})
