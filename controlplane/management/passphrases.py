"""Passphrases for commands: from a file or from standard input, never from an argument that others can read."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError


def add_passphrase(parser: ArgumentParser) -> None:
    """Declare the two ways to give a passphrase."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--passphrase-file", type=Path, help="file whose first line is the passphrase")
    ways.add_argument("--passphrase-stdin", action="store_true", help="read the passphrase's line from standard input")


def read_passphrase(options: Mapping[str, Any], stdin: TextIO) -> str:
    """Return the passphrase.

    Raises:
        CommandError: none was given.
    """
    path: Path | None = options["passphrase_file"]
    try:
        text = path.read_text() if path else stdin.readline() if options["passphrase_stdin"] else ""
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    phrase = text.split("\n", 1)[0].strip()
    if not phrase:
        raise CommandError("Secrets need a passphrase: give --passphrase-file or --passphrase-stdin.")
    return phrase
