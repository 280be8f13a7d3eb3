"""Nothing that points inside is ever connected to: counted by real servers, and by the interpreter itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controlplane.outgoing import Guard, Unreachable, UnsafeUrl
from controlplane.outgoing.addresses import is_admitted
from controlplane.outgoing.urls import UNSAFE
from tests.delivery.corpus import NAMES, REBINDING, REFUSED
from tests.delivery.sink import Names, guarded, listening

# No database, so no engine.
pytestmark = pytest.mark.once
PUBLIC = Names(**NAMES, **{"public.example": ["93.184.216.34"]})
_connects: list[Any] = []
_counting = threading.Event()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _counting.is_set():
        _connects.append(args[1])


sys.addaudithook(_hook)


@contextmanager
def no_connections() -> Iterator[None]:
    """Fail if anything in this process connects anywhere."""
    _connects.clear()
    _counting.set()
    try:
        yield
    finally:
        _counting.clear()
    assert _connects == []


class Doorstep:
    """Listens on the loopback addresses of both families at one port, and counts who comes."""

    def __init__(self) -> None:
        self.sockets = []
        self.count = 0
        four = socket.create_server(("127.0.0.1", 0))
        self.port = four.getsockname()[1]
        self.sockets.append(four)
        if socket.has_ipv6:
            self.sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for each in self.sockets:
            each.setblocking(False)

    def came(self) -> int:
        for each in self.sockets:
            while True:
                try:
                    each.accept()[0].close()
                except BlockingIOError:
                    break
                self.count += 1
        return self.count

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.fixture(scope="module")
def doorstep() -> Iterator[Doorstep]:
    found = Doorstep()
    yield found
    found.close()


async def _post_all(guard: Guard, urls: list[str]) -> list[BaseException | Any]:
    return await asyncio.gather(*(guard.post(url, body=b"{}", headers={}) for url in urls), return_exceptions=True)


def test_the_doorstep_counts(doorstep: Doorstep) -> None:
    with socket.create_connection(("127.0.0.1", doorstep.port)), socket.create_connection(("::1", doorstep.port)):
        assert doorstep.came() == 2
    doorstep.count = 0


def test_the_interpreter_counts(doorstep: Doorstep) -> None:
    with pytest.raises(AssertionError), no_connections(), socket.create_connection(("127.0.0.1", doorstep.port)):
        pass
    doorstep.came()
    doorstep.count = 0


def test_the_corpus_makes_no_connection(doorstep: Doorstep) -> None:
    urls = [url.replace("{port}", str(doorstep.port)) for url in REFUSED]
    assert len(urls) >= 120
    with no_connections():
        answers = asyncio.run(_post_all(Guard(resolve=PUBLIC), urls))
    assert [url for url, answer in zip(urls, answers, strict=True) if not isinstance(answer, UnsafeUrl)] == []
    assert doorstep.came() == 0
    # What differs inside must not show outside.
    assert {str(answer) for answer in answers} == {UNSAFE}


def test_the_corpus_is_refused_when_it_is_saved(doorstep: Doorstep) -> None:
    with no_connections():
        for url in REFUSED:
            with pytest.raises(UnsafeUrl):
                Guard(resolve=PUBLIC).check(url.replace("{port}", str(doorstep.port)))
    assert doorstep.came() == 0


@pytest.mark.parametrize("name", REBINDING)
def test_a_name_that_changes_its_answer_is_refused_at_the_attempt(name: str, doorstep: Doorstep) -> None:
    names = Names(**{name: [list(turn) for turn in REBINDING[name]]})
    guard = Guard(resolve=names)
    url = f"https://{name}:{doorstep.port}/"
    guard.check(url)
    with no_connections(), pytest.raises(UnsafeUrl):
        asyncio.run(guard.post(url, body=b"{}", headers={}))
    assert doorstep.came() == 0


def test_a_naive_check_is_caught_by_a_name_that_changes(doorstep: Doorstep) -> None:
    """The twin: checks, then lets the library resolve again."""
    name = "rebind.attacker.example"
    names = Names(**{name: [["93.184.216.34"], ["127.0.0.1"]]})

    async def naive() -> None:
        guard = Guard(resolve=names)
        await guard.addresses(guard.read(f"https://{name}:{doorstep.port}/"))
        (address,) = await names(name, doorstep.port)
        with socket.create_connection((address, doorstep.port)):
            pass

    asyncio.run(naive())
    assert doorstep.came() == 1
    doorstep.count = 0


def test_a_name_is_asked_once_and_the_checked_address_connected() -> None:
    # The second answer would be unusable: whoever asked again would not arrive.
    names = Names(**{"sink.test": [["127.0.0.1"], ["192.0.2.1"]]})
    with listening() as sink:
        reply = asyncio.run(guarded(names).post(sink.url, body=b"{}", headers={"webhook-id": "1"}))
    assert reply.status == 204
    assert names.asked == ["sink.test"]
    assert sink.received[0].headers["host"] == f"sink.test:{sink.port}"
    assert sink.received[0].headers["webhook-id"] == "1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["http://169.254.169.254/", "http://127.0.0.1:{other}/", "//127.0.0.1:{other}/", "/on"])
def test_redirects_are_not_followed(status: int, to: str, doorstep: Doorstep) -> None:
    with listening() as sink:
        sink.says(status, Location=to.replace("{other}", str(doorstep.port)))
        reply = asyncio.run(guarded().post(sink.url, body=b"{}", headers={}))
        assert (reply.status, sink.connections) == (status, 1)
    assert doorstep.came() == 0


def test_an_internal_host_is_admitted_by_its_name_alone() -> None:
    names = Names(**{"other.test": ["127.0.0.1"]})
    guard = guarded(names)
    for url in ("http://other.test/", "https://other.test/", "http://127.0.0.1/", "https://127.0.0.1/"):
        with pytest.raises(UnsafeUrl):
            guard.check(url)
    assert guard.check("http://SINK.test./hook").internal


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "168.63.129.16", "fd00:ec2::254", "::", "ff02::1"]
)
def test_even_a_listed_host_does_not_lead_to_metadata(address: str) -> None:
    with pytest.raises(UnsafeUrl):
        guarded(Names(**{"sink.test": [address]})).check("http://sink.test/")


@pytest.mark.parametrize("text", ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::5"])
def test_public_addresses_are_admitted(text: str) -> None:
    assert is_admitted(ipaddress.ip_address(text), internal=False)


def test_an_answer_is_read_to_its_limit() -> None:
    with listening() as sink:
        sink.says(200, b"x" * 1_000_000)
        reply = asyncio.run(guarded().post(sink.url, body=b"{}", headers={}))
    assert len(reply.text) == 4096


def test_a_call_ends_in_time_however_slowly_it_is_answered() -> None:
    """Headers that drip keep every single read within its limit; the whole call is bounded."""
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.02):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://sink.test:{listener.getsockname()[1]}/"
        try:
            with pytest.raises(Unreachable, match=r"within 0\.5 s"):
                asyncio.run(guarded(seconds=0.5).post(url, body=b"{}", headers={}))
        finally:
            over.set()
            # Wakes the thread where the call was over before it had connected.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    trust = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
    return file, trust


def _serve_tls(certificate: Path, listener: socket.socket, asked: list[str | None]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)  # type: ignore[assignment]
    connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as secured:
            read = b""
            while not read.endswith(b"{}"):
                read += secured.recv(65536)
            secured.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    except OSError:
        connection.close()


@pytest.mark.parametrize(("of", "fits"), [("sink.test", True), ("other.test", False)])
def test_the_certificate_is_checked_for_the_name(of: str, fits: bool, tmp_path: Path) -> None:
    certificate, trust = _certificate(tmp_path, of)
    asked: list[str | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve_tls, args=(certificate, listener, asked))
        thread.start()
        url = f"https://sink.test:{listener.getsockname()[1]}/"
        call = guarded(tls=lambda: trust).post(url, body=b"{}", headers={})
        if fits:
            assert asyncio.run(call).status == 204
        else:
            with pytest.raises(Unreachable, match="certificate"):
                asyncio.run(call)
        thread.join()
    assert asked == ["sink.test"]
