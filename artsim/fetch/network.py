"""Connections to public addresses only: what a name resolves to is checked, and then connected to.

Looking a name up to check it and letting the client look it up again would let a server answer
differently the second time (DNS rebinding). Here the check sits where connections are made, so it
holds for every request and every redirect; host name, TLS and certificate stay those of the URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore2
import httpx2

# https://www.iana.org/assignments/ipv6-address-space: all other blocks are local or unassigned.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
# IPv4 addresses as IPv6-only networks write them, https://www.rfc-editor.org/rfc/rfc6052
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

_NEXT_AFTER_S = 3.0  # a host's other address is tried, such as the IPv4 one behind a dead IPv6


class RefusedAddress(Exception):
    """A host is at no address that may be connected to."""


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the internet rather than to a private network.

    Addresses that only wrap an IPv4 one count as that.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if ip in _TRANSLATED:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip not in _GLOBAL_V6:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Sends httpx2's requests over connections that `_CheckedBackend` made; knows no proxies."""

    def __init__(self, *, connections: int, allow_private: bool) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
            network_backend=_CheckedBackend(allow_private),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; what fails is raised as httpcore2's exceptions, or RefusedAddress."""
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Stream(response.stream)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Stream(httpx2.AsyncByteStream):
    """An answer's body as httpx2 wants it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Makes TCP connections, to addresses that may be connected to."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look the host up, check where it is and connect there."""
        async with asyncio.timeout(timeout):
            addresses = await _look_up(host, port)
            allowed = [a for a in addresses if self._allow_private or is_public(a)]
            if not allowed:
                raise RefusedAddress(
                    f"{host} is at {addresses[0]}, which is not a public address; pass "
                    "--allow-private to fetch from it"
                )
            for address in allowed[:-1]:
                try:
                    return await _connect(address, port, _NEXT_AFTER_S)
                except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    continue
            return await _connect(allowed[-1], port, timeout)


async def _look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host; of ``2130706433`` and ``0x7f.1`` too, as the system does."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise httpcore2.ConnectError(f"the host {host} cannot be looked up: {reason}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _connect(address: str, port: int, timeout: float | None) -> httpcore2.AsyncNetworkStream:
    return await httpcore2.AnyIOBackend().connect_tcp(address, port, timeout=timeout)
