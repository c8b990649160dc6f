"""Connects to hosts that a client of the API names, without server-side request forgery.

A client that submits a batch chooses URLs, so it could make the service send requests to any host
that the service can reach. This backend resolves the host name, checks every address, and connects
to a checked address, so that a second DNS response cannot change the target.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore

from ocrstream_runtime.errors import AddressRefusedError, UnknownHostError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host and port to addresses, as text. Raises OSError."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Resolves a host with the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def is_public(address: Address) -> bool:
    """Returns whether the address is a unicast address of the public internet."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and address.is_global


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Returns the IPv4 address that receives the packets to this address, if there is one."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses and to addresses in the `allowed` networks, and to no others."""

    def __init__(
        self,
        allowed: Iterable[Network],
        resolver: Resolve = resolve,
        connects: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolver
        # httpcore's types describe the backend that it has without anyio.
        self._connects: httpcore.AsyncNetworkBackend = connects or httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first address of the host that answers.

        Raises AddressRefusedError if any address is not allowed, UnknownHostError if there is none,
        httpcore.ConnectError.
        """
        addresses = await self._resolve_checked(host, port)
        for address in addresses[:-1]:
            try:
                return await self._connects.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connects.connect_tcp(
            str(addresses[-1]), port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self._connects.sleep(seconds)

    async def _resolve_checked(self, host: str, port: int) -> list[Address]:
        try:
            found = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise UnknownHostError(
                f"the host cannot be resolved: {type(error).__name__}"
            ) from error
        if not found:
            raise UnknownHostError("the host has no address")
        for address in found:
            if not self._is_allowed(address):
                raise AddressRefusedError("the host has an address that is not public")
        return found

    def _is_allowed(self, address: Address) -> bool:
        plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return is_public(address) or any((plain or address) in network for network in self._allowed)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parses networks in CIDR notation, separated by commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
