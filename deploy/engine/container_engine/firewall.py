"""The packet filter as it was before an engine, whatever others have changed of it since."""

import re
from collections.abc import Collection
from ipaddress import IPv4Network

_CHAIN = re.compile(r":(\S+) (\S+)")
_ADDRESS = re.compile(r"\d+(\.\d+){3}(/\d+)?")


def without_engine(now: str, before: str, interfaces: Collection[str]) -> str:
    """`iptables-save`'s text of now, less what an engine has added.

    Goes: its chains, and the rules that name one of them or one of its `interfaces` or networks,
    unless they stood there before. The policies of the other chains are those of before.
    """
    policies = _policies(before)
    kept_rules = set(before.splitlines())
    networks = _networks(now, interfaces)
    lines: list[str] = []
    table = ""
    for line in now.splitlines():
        chain = _CHAIN.match(line)
        if line.startswith("*"):
            table = line
        if chain is not None:
            was = policies.get((table, chain[1]))
            if was is None and _engines(chain[1]):
                continue
            lines.append(f":{chain[1]} {was or chain[2]} [0:0]")
        elif (
            line.startswith("-A")
            and line not in kept_rules
            and _names_engine(line, interfaces, networks)
        ):
            continue
        else:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _policies(text: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    table = ""
    for line in text.splitlines():
        chain = _CHAIN.match(line)
        if line.startswith("*"):
            table = line
        if chain is not None:
            found[table, chain[1]] = chain[2]
    return found


def _engines(chain: str) -> bool:
    return chain == "DOCKER" or chain.startswith("DOCKER-")


def _names_engine(
    rule: str, interfaces: Collection[str], networks: Collection[IPv4Network]
) -> bool:
    return any(
        _engines(word) or word in interfaces or _lies_in(word, networks) for word in rule.split()
    )


def _lies_in(word: str, networks: Collection[IPv4Network]) -> bool:
    return _ADDRESS.fullmatch(word) is not None and any(
        IPv4Network(word, strict=False).subnet_of(network) for network in networks
    )


def _networks(text: str, interfaces: Collection[str]) -> set[IPv4Network]:
    """What lies behind the interfaces, as the rules say that give them a way out."""
    found: set[IPv4Network] = set()
    for line in text.splitlines():
        match line.split():
            case ["-A", "POSTROUTING", "-s", network, "!", "-o", one, *_] if one in interfaces:
                found.add(IPv4Network(network))
            case _:
                pass
    return found
