"""Properties of windows: how X clients pass data on to each other."""

from __future__ import annotations

import io
import struct
from typing import Final, NamedTuple

from spicetrio import ClipboardError
from spicetrio.sources.x11.connection import XConnection, reply_bytes

READ_BYTES: Final = 64 * 1024
"""How much of a property is read at a time."""
NO_ATOM: Final = 0
PROPERTY_CHANGE: Final = 1 << 22
"""The mask of PropertyNotify events."""
CW_EVENT_MASK: Final = 1 << 11

_CHANGE_PROPERTY: Final = 18
_REPLACE: Final = 0
_ANY_TYPE: Final = 0
_HEAD: Final = struct.Struct("=xB2xIIIB3xI")
_REPLY: Final = struct.Struct("=xB6xIII12x")


class TooLargeError(ClipboardError):
    """More is to be had than is taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it is of more than the {limit} bytes that are taken")


class Property(NamedTuple):
    """What a property holds."""

    type: int
    """An atom; `NO_ATOM` if there is no such property."""
    format: int
    """Bits of each item: 8, 16 or 32."""
    data: bytes
    """The items, in this machine's byte order."""

    @classmethod
    def of_words(cls, type_: int, *words: int) -> Property:
        """Make one of 32-bit items."""
        return cls(type_, 32, struct.pack(f"={len(words)}I", *words))

    def words(self) -> list[int]:
        """Its 32-bit items."""
        return list(struct.unpack_from(f"={len(self.data) // 4}I", self.data))


async def write_property(connection: XConnection, window: int, name: int, value: Property) -> None:
    """Set a property, once there is room for it. That the window is gone is no error here.

    Args:
        connection: To the X server.
        window: Whose property.
        name: An atom.
        value: Of at most `PIECE_BYTES`.

    Cancellation: it is set or not.
    """
    # Not by xcffib, which makes an object of each byte.
    head = _HEAD.pack(_REPLACE, window, name, value.type, value.format, len(value.data) * 8 // value.format)
    async with connection.room():
        connection.core.send_request(_CHANGE_PROPERTY, io.BytesIO(head + value.data))


async def read_property(connection: XConnection, window: int, name: int, limit: int, *, delete: bool) -> Property:
    """Return a property.

    Args:
        connection: To the X server.
        window: Whose property.
        name: An atom.
        limit: The most bytes that are taken.
        delete: Delete it afterwards.

    Cancellation: it is deleted or not.

    Raises:
        XError: There is no such window.
        TooLargeError: It is larger.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        cookie = connection.core.GetProperty(delete, window, name, _ANY_TYPE, size // 4, READ_BYTES // 4)
        cookie.reply_type = reply_bytes
        reply: bytes = await connection.ask(cookie)
        format_, type_, rest, items = _REPLY.unpack_from(reply)
        pieces.append(reply[_REPLY.size : _REPLY.size + items * format_ // 8])
        size += len(pieces[-1])
        if size + rest > limit:
            raise TooLargeError(limit)
        if not rest:
            return Property(type_, format_, b"".join(pieces))
