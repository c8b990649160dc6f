"""Which addresses may be connected to, and that the one that was checked is."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import httpcore
import pytest

from ocrstream_runtime.errors import AddressRefusedError, UnknownHostError
from ocrstream_runtime.guarded_http import GuardedBackend, is_public, parse_networks, resolve

LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),  # noqa: S104
        *("100.64.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::"),
        *("2001:db8::1", "2001:0:7f00:1::", "100::1"),
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))


class Connects(httpcore.AsyncNetworkBackend):
    """Notes where it is asked to connect to; those in `dead` refuse."""

    def __init__(self, *dead: str) -> None:
        self.tried: list[str] = []
        self._dead = dead

    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        self.tried.append(host)
        if host in self._dead:
            raise httpcore.ConnectError("refused")
        return httpcore.AsyncNetworkStream()


def guard(*answers: Sequence[str], connects: Connects, allowed: str = "") -> GuardedBackend:
    """A guard whose resolver gives these answers, one after the other."""
    rest = list(answers)

    async def answer(host: str, port: int) -> Sequence[str]:
        return rest.pop(0)

    return GuardedBackend(parse_networks(allowed), answer, connects)


async def test_the_checked_address_is_connected_to() -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    connects = Connects()
    rebinding = guard(["8.8.8.8"], ["127.0.0.1"], connects=connects)
    await rebinding.connect_tcp("rebinds.example", 443)
    assert connects.tried == ["8.8.8.8"]
    with pytest.raises(AddressRefusedError):
        await rebinding.connect_tcp("rebinds.example", 443)
    assert connects.tried == ["8.8.8.8"]


@pytest.mark.parametrize("answer", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::1"]])
async def test_one_forbidden_address_is_enough(answer: list[str]) -> None:
    connects = Connects()
    with pytest.raises(AddressRefusedError):
        await guard(answer, connects=connects).connect_tcp("mixed.example", 80)
    assert connects.tried == []


async def test_the_next_address_is_tried_if_one_refuses() -> None:
    connects = Connects("8.8.8.8")
    await guard(["8.8.8.8", "1.1.1.1"], connects=connects).connect_tcp("two.example", 80)
    assert connects.tried == ["8.8.8.8", "1.1.1.1"]
    with pytest.raises(httpcore.ConnectError):
        await guard(["8.8.8.8"], connects=connects).connect_tcp("two.example", 80)


async def test_allowed_networks_are_allowed_however_they_are_written() -> None:
    connects = Connects()
    answers = (["127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"])
    allowing = guard(*answers, connects=connects, allowed="127.0.0.0/8, fd00::/8")
    await allowing.connect_tcp("a", 80)
    await allowing.connect_tcp("b", 80)
    with pytest.raises(AddressRefusedError):
        await allowing.connect_tcp("c", 80)


async def test_a_name_without_addresses() -> None:
    with pytest.raises(UnknownHostError):
        await guard([], connects=Connects()).connect_tcp("nothing.example", 80)
    with pytest.raises(UnknownHostError):
        await GuardedBackend(()).connect_tcp("x" * 70 + ".invalid", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "::1"])
async def test_loopback_by_any_name_is_refused(host: str) -> None:
    async with asyncio.timeout(10):
        try:
            await resolve(host, 80)
        except OSError:
            return  # this machine does not know the name at all
        with pytest.raises(AddressRefusedError):
            await GuardedBackend(()).connect_tcp(host, 80)


def test_networks_are_checked() -> None:
    assert parse_networks("") == ()
    with pytest.raises(ValueError, match="host bits"):
        parse_networks("10.0.0.1/8")
