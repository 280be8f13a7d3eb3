"""The file: a compressed tar whose first member, the manifest, names the checksums of the others.

It shows damage and careless hands. Whoever can write the file can also write its checksums: keep it where they cannot.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import secrets
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from controlplane.operating.backup import manifest as manifests
from controlplane.operating.backup.manifest import Manifest

DATABASE = "database"
SECRETS = "secrets"
UNPACKED = ".unpacked-"
_MANIFEST = "manifest.json"
_DIGEST = "manifest.sha256"
_MEMBERS = frozenset({DATABASE, SECRETS})
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 16 << 20


class BackupError(Exception):
    """A backup or a restore cannot be done. Its text is for the person who asked."""


def digest_of(path: Path) -> str:
    """Return a file's SHA-256, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(target: Path, manifest: Manifest, members: Mapping[str, Path]) -> None:
    """Write an archive, readable to its owner only; it appears whole or not at all.

    Args:
        target: where; never replaced.
        manifest: its manifest.
        members: file by name of member.

    Raises:
        BackupError: the target exists, or cannot be written.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=_privately) as out:  # a path cannot be opened with a mode
            _fill(out, manifest, members)
            out.flush()
            os.fsync(out.fileno())
        # Unlike a rename, a link never replaces what came into being meanwhile.
        os.link(draft, target)
    except FileExistsError:
        raise BackupError(f"{target} exists; it is not overwritten.") from None
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _fill(out: IO[bytes], manifest: Manifest, members: Mapping[str, Path]) -> None:
    raw = manifest.as_bytes()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=3) as tar:
        _add(tar, _MANIFEST, raw)
        for name, path in members.items():
            tar.add(path, arcname=name, filter=_plain)
        _add(tar, _DIGEST, hashlib.sha256(raw).hexdigest().encode())


@contextlib.contextmanager
def opened(path: Path, *, near: Path | None = None) -> Iterator[tuple[Manifest, dict[str, Path]]]:
    """Unpack an archive, check all of it, and yield its manifest and the files of its members.

    Args:
        path: the archive.
        near: folder in which to unpack; the system's temporary one when left out.

    Raises:
        BackupError: it is none, it is cut off, or something in it is not what the manifest says.
    """
    with tempfile.TemporaryDirectory(prefix=UNPACKED, dir=near) as folder:
        try:
            found = _unpack(path, Path(folder))
        except FileNotFoundError:
            raise BackupError(f"There is no file {path}.") from None
        except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{path} is no whole backup: {error}.") from error
        yield found


def _unpack(path: Path, folder: Path) -> tuple[Manifest, dict[str, Path]]:
    files: dict[str, Path] = {}
    words: dict[str, bytes] = {}
    with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is None or entry.name in {*files, *words}:
                raise ValueError(f"it holds {entry.name!r}, which does not belong there")
            if entry.name in {_MANIFEST, _DIGEST}:
                words[entry.name] = content.read(_LARGEST_MANIFEST)
            else:
                files[entry.name] = _extracted(entry.name, content, folder)
        # To the end of the file, so that the compression's own checksum counts, too.
        while stream.read(_CHUNK):
            pass
    if hashlib.sha256(words.get(_MANIFEST, b"")).hexdigest().encode() != words.get(_DIGEST):
        raise ValueError("its manifest is missing or changed")
    manifest = manifests.read(words[_MANIFEST])
    if {name: digest_of(file) for name, file in files.items()} != manifest.files:
        raise ValueError("a file in it is not what its manifest says")
    if DATABASE not in files:
        raise ValueError("there is no database in it")
    return manifest, files


def _extracted(name: str, content: IO[bytes], folder: Path) -> Path:
    if name not in _MEMBERS:
        raise ValueError(f"it holds {name!r}, which does not belong there")
    target = folder / name
    with target.open("wb") as out:
        shutil.copyfileobj(content, out, _CHUNK)
    return target


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the file and when."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o600
    return entry


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
