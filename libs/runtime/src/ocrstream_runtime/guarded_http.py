"""Connects to hosts that a stranger named, and to nothing inside the network that it must not see.

Whoever submits a batch chooses URLs, so a request could be sent to anything that the service can
reach (server-side request forgery). The name is resolved here, every address it has is checked,
and the connection is made to an address that was checked: another answer to a second look-up cannot
come in between.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text. Raises OSError."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """The host has an address that must not be connected to."""


class HostUnknown(Exception):
    """The host has no address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's answer."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet, of a single host."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and address.is_global


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses and to those in `allowed` networks."""

    def __init__(
        self,
        allowed: Iterable[Network],
        resolver: Resolve = resolve,
        connects: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolver
        # httpcore's types know only what its backend is without anyio.
        self._connects: httpcore.AsyncNetworkBackend = connects or httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its base says so
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises AddressRefused if any is forbidden, HostUnknown, httpcore.ConnectError.
        """
        addresses = await self._checked(host, port)
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
        """Wait."""
        await self._connects.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
        try:
            found = [ip_address(one) for one in await self._resolve(host, port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise HostUnknown(f"the host cannot be resolved: {type(error).__name__}") from error
        if not found:
            raise HostUnknown("the host has no address")
        for address in found:
            if not self._permitted(address):
                raise AddressRefused("the host has an address that is not of the public internet")
        return found

    def _permitted(self, address: Address) -> bool:
        plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return is_public(address) or any((plain or address) in network for network in self._allowed)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks in CIDR notation, separated by commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
