"""Mail really leaves by the library, to a server on loopback that the operator lists."""

from __future__ import annotations

import asyncio
import email
import json
import socket
import threading
from collections.abc import Iterator
from email import policy

import pytest

from controlplane.delivery import notifying
from controlplane.outgoing import Guard
from tests.delivery.sink import Names

# The one port above 1024 that channels may name may be taken; all of these are loopback.
LOOPBACK = [f"127.0.0.{last}" for last in range(1, 9)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.allow_hosts(LOOPBACK),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]
MESSAGE = {
    "title": "An approval waits for me",
    "text": "email.send by job-applier waits for you",
    "url": "https://cp.example/approvals/1/",
    "kind": "approval.requested",
    "id": "1",
}


class PostOffice(threading.Thread):
    """Takes one mail."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = _listener()
        self.mail = b""

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as lines:
            lines.write(b"220 ready\r\n")
            for line in lines:
                word = line[:4].upper()
                if word == b"DATA":
                    lines.write(b"354 go on\r\n")
                    while (part := lines.readline()) != b".\r\n":
                        self.mail += part
                lines.write(b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n" if word == b"EHLO" else _answer(word))
                if word == b"QUIT":
                    return


def _answer(word: bytes) -> bytes:
    return {b"AUTH": b"235 welcome\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n")


def _listener() -> socket.socket:
    """Listen on the mail port, at the first loopback address where it is free.

    Raises:
        OSError: it is taken at every one of them.
    """
    for address in LOOPBACK:
        try:
            return socket.create_server((address, 2525))
        except OSError as error:
            taken = error
    raise taken


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    found = PostOffice()
    found.start()
    yield found
    found.listener.close()


def test_a_mail_arrives_with_its_link(post_office: PostOffice) -> None:
    host = post_office.listener.getsockname()[0]
    guard = Guard(frozenset({host}), resolve=Names())
    address = f"mailto://control:plane@{host}:2525?to=you@example.org&from=cp@example.org&mode=insecure"
    outcome = asyncio.run(notifying.send(address, json.dumps(MESSAGE), guard=guard))
    assert (outcome.status, outcome.error) == (200, "")
    post_office.join(5)
    mail = email.message_from_bytes(post_office.mail, policy=policy.default)
    assert mail["Subject"] == MESSAGE["title"]
    assert "you@example.org" in mail["To"]
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert MESSAGE["url"] in body.get_content()
    assert MESSAGE["text"] in body.get_content()
