"""The guarded call: resolved once, every address checked, connected to a checked address, bounded in time and size."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx
from django.conf import settings

from controlplane.outgoing.addresses import is_admitted
from controlplane.outgoing.urls import Target, UnsafeUrl, read_url

# Bytes of an answer that are read; the rest is left in the socket, which is closed.
BODY_LIMIT = 4096
# Seconds for the whole call: resolving, connecting, sending, and reading to the limit.
CALL_SECONDS = 15.0
RESOLVE_SECONDS = 5.0
_ADDRESSES_TRIED = 2

# From a name and a port to addresses, as text. Raises OSError where there is none.
Resolver = Callable[[str, int], Awaitable[list[str]]]


class Unreachable(Exception):
    """The call got no answer. Its text is a short reason for people, without addresses."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        status: HTTP status; redirects are not followed.
        text: the beginning of the body, `BODY_LIMIT` bytes at most.
        retry_after: the header's text, or empty.
        milliseconds: how long the call took.
    """

    status: int
    text: str
    retry_after: str
    milliseconds: int


async def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system's resolver once, for addresses of both families."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@functools.cache
def trusted() -> ssl.SSLContext:
    """Return whom we trust: made once, since reading the authorities costs more than a call."""
    return httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class Guard:
    """The one way out.

    Attributes:
        internal_hosts: hosts that the operator lists: `http` and private addresses are admitted for them.
        resolve: asked once per call.
        tls: whom to trust.
        seconds: for a whole call.
    """

    internal_hosts: frozenset[str] = frozenset()
    resolve: Resolver = system_resolver
    tls: Callable[[], ssl.SSLContext] = field(default=trusted)
    seconds: float = CALL_SECONDS

    def read(self, url: str, *, pointer: str = "/url") -> Target:
        """Read a URL without resolving it.

        Raises:
            UnsafeUrl: it is none that we call.
        """
        return read_url(url, internal_hosts=self.internal_hosts, pointer=pointer)

    def is_listed(self, host: str) -> bool:
        """Say whether the operator lists a host."""
        return host.lower() in self.internal_hosts

    async def addresses(self, target: Target, *, pointer: str = "/url") -> list[str]:
        """Resolve a target once and check every address.

        Raises:
            UnsafeUrl: it does not resolve, or one of its addresses is not admitted.
        """
        if target.literal is not None:
            texts = [str(target.literal)]
        else:
            try:
                async with asyncio.timeout(RESOLVE_SECONDS):
                    texts = await self.resolve(target.host, target.port)
            except (OSError, UnicodeError, TimeoutError) as error:
                raise UnsafeUrl(pointer) from error
        try:
            found = [ipaddress.ip_address(text) for text in texts]
        except ValueError as error:
            raise UnsafeUrl(pointer) from error
        # One bad address among good ones is how names are rebound: all of them, or none.
        if not found or not all(is_admitted(address, internal=target.internal) for address in found):
            raise UnsafeUrl(pointer)
        return [str(address) for address in found]

    def check(self, url: str, *, pointer: str = "/url") -> Target:
        """Read and resolve a URL before it is stored. Not inside a transaction: the resolver may take seconds.

        Raises:
            UnsafeUrl: it is none that we call.
        """
        target = self.read(url, pointer=pointer)
        asyncio.run(self.addresses(target, pointer=pointer))
        return target

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one POST.

        Args:
            url: checked here and now, whatever was checked before.
            body: the bytes.
            headers: beside ``Host`` and ``Content-Length``.

        Raises:
            UnsafeUrl: the URL, or what it resolves to, is not admitted. Nothing was connected.
            Unreachable: no answer in time.
        """
        target = self.read(url)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.seconds):
                addresses = await self.addresses(target)
                return await self._post(target, addresses, body, headers, began)
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self.seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(_reason(error)) from error

    async def _post(
        self, target: Target, addresses: list[str], body: bytes, headers: Mapping[str, str], began: float
    ) -> Reply:
        tried = addresses[:_ADDRESSES_TRIED]
        for address in tried[:-1]:
            try:
                return await self._call(target, address, body, headers, began)
            except httpx.ConnectError:
                continue
        return await self._call(target, tried[-1], body, headers, began)

    async def _call(self, target: Target, address: str, body: bytes, headers: Mapping[str, str], began: float) -> Reply:
        host = f"[{address}]" if ":" in address else address
        # The address stands where the name would: nothing is left to resolve. A transport of its own for each call,
        # since a pooled connection would be shared by names that share an address, verified for the first alone.
        transport = httpx.AsyncHTTPTransport(verify=self.tls(), trust_env=False)
        request = httpx.Request(
            "POST",
            # Byte for byte: a resume URL carries a signature.
            httpx.URL(scheme=target.scheme, host=host, port=target.port, raw_path=target.path.encode()),
            headers={"Accept-Encoding": "identity", "Connection": "close", **headers, "Host": target.authority},
            content=body,
            extensions={
                "sni_hostname": target.host,
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), self.seconds),
            },
        )
        async with transport:
            response = await transport.handle_async_request(request)
            try:
                text = await _beginning(response)
            finally:
                await response.aclose()
        return Reply(
            response.status_code,
            text,
            response.headers.get("retry-after", ""),
            round((time.monotonic() - began) * 1000),
        )


def guard() -> Guard:
    """Return the guard with the operator's list."""
    return Guard(frozenset(host.lower() for host in settings.CALLBACK_HOSTS))


async def _beginning(response: httpx.Response) -> str:
    """Read the first bytes, as they were sent: a compressed body is not unfolded."""
    read = b""
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) >= BODY_LIMIT:
            break
    return read[:BODY_LIMIT].decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """Say what went wrong in words that tell nothing of the inside."""
    if isinstance(error.__cause__, BaseException) and "CERTIFICATE" in str(error).upper():
        return "the certificate is not valid for this name"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return "the connection broke"
