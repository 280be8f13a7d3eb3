"""What must be true before the first process starts: a free port, a current schema, collected assets."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from controlplane.environment import Environment

_STAMP = ".collected-from"


class PortTaken(Exception):
    """A server could not listen where it should. The text says why and what to do."""


def check_ports(environment: Environment) -> None:
    """Try the web server's and the lane's address. Raises as `check_port`."""
    check_port(environment.host, environment.port, variable="CONTROLPLANE_PORT")
    check_port(environment.host, environment.lane_port, variable="CONTROLPLANE_LANE_PORT")


def check_port(host: str, port: int, *, variable: str) -> None:
    """Try to listen on an address for a moment.

    Args:
        host: the address.
        port: its port.
        variable: the setting that names the port.

    Raises:
        PortTaken: it cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does it: a connection of the last run that still closes is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} on {host} is taken by another program. Stop it, or set {variable}."
        elif error.errno == errno.EACCES:
            reason = f"Port {port} needs rights that this user does not have. Set {variable} above 1023."
        else:
            reason = f"{host} is not an address of this machine ({error.strerror}). Set CONTROLPLANE_HOST."
        raise PortTaken(reason) from error


def migrate() -> None:
    """Bring the schema up to date."""
    call_command("migrate", interactive=False, verbosity=0)


def collect_assets(root: Path) -> bool:
    """Collect static files for serving, unless nothing changed since the last time; say whether it did.

    Args:
        root: the folder of collected files.
    """
    state = hashlib.sha256("\n".join(sorted(_sources())).encode()).hexdigest()
    stamp = root / _STAMP
    if stamp.is_file() and stamp.read_text() == state:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=root.exists())
    stamp.write_text(state)
    return True


def _sources() -> Iterator[str]:
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            yield f"{path} {found.st_size} {found.st_mtime_ns}"
