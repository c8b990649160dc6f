"""Joins of single values: extremes where one may be unknown, and what breaks a tie."""

from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

Comparable = TypeVar("Comparable", int, str, datetime)

# Binary: to write millions of floats as text takes five times as long.
_BINARY = msgspec.msgpack.Encoder(order="deterministic")


def least(first: Comparable | None, second: Comparable | None) -> Comparable | None:
    """The lesser of two values, of which None is not known."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def greatest(first: Comparable | None, second: Comparable | None) -> Comparable | None:
    """The greater of two values, of which None is not known."""
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)


def digest(value: Any) -> bytes:
    """SHA-256 of the value in MessagePack, keys sorted.

    Of two different values of equal rank the one with the greater digest holds: an arbitrary
    choice, but the same whatever came first.
    """
    return sha256(_BINARY.encode(value)).digest()
