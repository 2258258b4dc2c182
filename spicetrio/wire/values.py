"""Fields whose value is looked at while they are read: numbers that decide what follows, and texts.

A number that decides nothing about the layout is kept as the plain int it came as, known or not.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TypeVar

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError

E = TypeVar("E", bound=IntEnum)


def known(kind: type[E], value: int) -> E:
    """Return the member of an enum that decides what follows.

    Raises:
        RemoteProtocolError: There is no such member, so nobody knows what follows.
    """
    try:
        return kind(value)
    except ValueError:
        expected = ", ".join(str(member.value) for member in kind)
        raise RemoteProtocolError(f"got {kind.__name__} {value}, expected one of {expected}") from None


def known_flags(kind: type[IntFlag], value: int) -> int:
    """Return flags that decide what follows.

    Raises:
        RemoteProtocolError: There is a bit of unknown meaning, so nobody knows what follows.
    """
    mask = sum(kind)
    if value & ~mask:
        raise RemoteProtocolError(f"got {kind.__name__} {value:#x}, expected bits of {mask:#x} only")
    return value


def pull_text(buffer: ReadBuffer, size: int) -> str:
    """Read a text of `size` bytes that ends there or at a NUL before."""
    return bytes(buffer.raw(size)).split(b"\0", 1)[0].decode(errors="replace")


def encode_text(text: str) -> bytes:
    """Return a text with the NUL that ends it; both count in its size on the wire.

    Raises:
        LocalProtocolError: The text would end early.
    """
    if "\0" in text:
        raise LocalProtocolError(f"{text!r} has a NUL in it")
    return text.encode() + b"\0"
