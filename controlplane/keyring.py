"""The installation's own secrets: given by the environment, else kept in files of the home folder (mode 0600)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controlplane import parsing
from controlplane.environment import BadSetting, Environment


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets in force.

    Attributes:
        secret_key: signs sessions and forms.
        key_peppers: pepper by id, for hashes of agents' keys; the first hashes new keys.
        encryption_keys: Fernet keys for secrets at rest; the first encrypts.
        ephemeral: names of secrets that no one stored: made for this process, worthless to any other.
    """

    secret_key: str
    key_peppers: dict[str, bytes]
    encryption_keys: tuple[str, ...]
    ephemeral: tuple[str, ...]


def _new_secret_key() -> str:
    return secrets.token_urlsafe(64)


def _new_peppers() -> str:
    return f"1:{secrets.token_hex(32)}"


def _new_encryption_keys() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


_MAKERS: dict[str, Callable[[], str]] = {
    "secret_key": _new_secret_key,
    "key_peppers": _new_peppers,
    "encryption_keys": _new_encryption_keys,
}


# Names of the secrets, which are those of their files and variables.
KEPT = tuple(_MAKERS)


def load(environment: Environment) -> Keyring:
    """Return the secrets in force; what is stored nowhere is made up for this process.

    Raises:
        BadSetting: a file holds something else than its secret.
    """
    texts, ephemeral = {}, []
    for name, make in _MAKERS.items():
        stored = _file_of(environment, name)
        if stored.is_file():
            texts[name] = stored.read_text().strip()
        else:
            texts[name] = make()
            ephemeral.append(name)
    given = {name for name in _MAKERS if getattr(environment, name)}
    try:
        return Keyring(
            secret_key=environment.secret_key or parsing.secret_key(texts["secret_key"]),
            key_peppers=dict(environment.key_peppers or parsing.peppers(texts["key_peppers"])),
            encryption_keys=environment.encryption_keys or parsing.encryption_keys(texts["encryption_keys"]),
            ephemeral=tuple(name for name in ephemeral if name not in given),
        )
    except ValueError as error:
        raise BadSetting(f"a secret's file does not hold a valid secret: {error}") from error


def ensure(environment: Environment) -> list[Path]:
    """Generate each secret that is neither given nor stored yet; return the files made.

    Safe for several processes at once: the first file stays, since a link never replaces one.
    """
    made = []
    for name, make in _MAKERS.items():
        target = environment.home / "secrets" / name
        if getattr(environment, name) or getattr(environment, f"{name}_file") or target.exists():
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = target.with_name(f".{name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(make() + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, target)
                made.append(target)
            except FileExistsError:
                pass
        finally:
            draft.unlink()
    return made


def _file_of(environment: Environment, name: str) -> Path:
    given: Path | None = getattr(environment, f"{name}_file")
    return given or environment.home / "secrets" / name
