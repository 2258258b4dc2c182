"""The cursor that messages are read with, and the list of buffers that they are written to.

Everything on the wire is little-endian and packed (spec 02, 3.0). Each bound is checked in this module, once:
a structure that is read only names its fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeVar

from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")

_U8: Final = Struct("<B")
_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_U64: Final = Struct("<Q")
_I16: Final = Struct("<h")
_I32: Final = Struct("<i")
_I64: Final = Struct("<q")

MAX_POINTER_DEPTH: Final = 8
"""The deepest pointer of the protocol is message -> brush -> image -> palette."""

PAYLOAD_SIZE: Final = 4096
"""Bytes from which data is passed along as the buffer it came in; less is cheaper to copy."""


class ReadBuffer:
    """A cursor over one message body.

    Args:
        data: The body; pointers inside it count from its first byte.
        pos: Where to begin to read.
        depth: How many pointers were followed to come here.
    """

    __slots__ = ("_data", "_depth", "_pos")

    def __init__(self, data: Buffer, pos: int = 0, *, depth: int = 0) -> None:
        self._data = memoryview(data).cast("B")
        self._pos = pos
        self._depth = depth

    @property
    def remaining(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self._pos

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return len(self._data)

    def unpack(self, fields: Struct) -> tuple[Any, ...]:
        """Read the fields of a packed structure."""
        pos = self._pos
        self._advance(fields.size)
        return fields.unpack_from(self._data, pos)

    def u8(self) -> int:
        """Read an unsigned byte."""
        return self._integer(_U8)

    def u16(self) -> int:
        """Read an unsigned 16-bit integer."""
        return self._integer(_U16)

    def u32(self) -> int:
        """Read an unsigned 32-bit integer."""
        return self._integer(_U32)

    def u64(self) -> int:
        """Read an unsigned 64-bit integer."""
        return self._integer(_U64)

    def i16(self) -> int:
        """Read a signed 16-bit integer."""
        return self._integer(_I16)

    def i32(self) -> int:
        """Read a signed 32-bit integer."""
        return self._integer(_I32)

    def i64(self) -> int:
        """Read a signed 64-bit integer."""
        return self._integer(_I64)

    def raw(self, size: int) -> memoryview:
        """Read `size` bytes, without a copy."""
        pos = self._pos
        self._advance(size)
        return self._data[pos : self._pos]

    def rest(self) -> memoryview:
        """Read all that is left, without a copy."""
        return self.raw(self.remaining)

    def items(self, count: int, pull: Callable[[ReadBuffer], T], size: int) -> tuple[T, ...]:
        """Read `count` items of at least `size` bytes each; a count that cannot fit is refused at once."""
        if count * size > self.remaining:
            raise RemoteProtocolError(f"got {self.remaining} bytes, expected {count} items of {size}")
        return tuple(pull(self) for _ in range(count))

    def at(self, offset: int) -> ReadBuffer:
        """Return a cursor at `offset` from the start of the body, one pointer deeper."""
        if offset > len(self._data):
            raise RemoteProtocolError(f"got an offset of {offset} in a body of {len(self._data)} bytes")
        if self._depth >= MAX_POINTER_DEPTH:
            raise RemoteProtocolError(f"got more than {MAX_POINTER_DEPTH} nested pointers")
        return ReadBuffer(self._data, offset, depth=self._depth + 1)

    def pointer(self, pull: Callable[[ReadBuffer], T]) -> T | None:
        """Read an offset (spec F-7) and what it points to; None for a null pointer."""
        offset = self.u32()
        return pull(self.at(offset)) if offset else None

    def target(self, pull: Callable[[ReadBuffer], T]) -> T:
        """Read an offset that must not be null, and what it points to."""
        value = self.pointer(pull)
        if value is None:
            raise RemoteProtocolError("got a null pointer where data is needed")
        return value

    def _integer(self, fields: Struct) -> int:
        value: int = self.unpack(fields)[0]
        return value

    def _advance(self, size: int) -> None:
        if size > self.remaining:
            raise RemoteProtocolError(f"got {self.remaining} bytes, expected {size}")
        self._pos += size


class WriteBuffer:
    """The buffers of one message body in the making."""

    __slots__ = ("_buffers", "_pending", "_tail", "size")

    size: int
    """Bytes written so far."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self._buffers: list[Buffer] = [self._tail]
        self._pending: list[tuple[bytearray, int, Callable[[WriteBuffer], None]]] = []
        self.size = 0

    def pack(self, fields: Struct, *values: int) -> None:
        """Write the fields of a packed structure."""
        try:
            self._tail += fields.pack(*values)
        except struct.error as error:
            raise LocalProtocolError(f"{values} does not fit {fields.format!r}: {error}") from error
        self.size += fields.size

    def u8(self, value: int) -> None:
        """Write an unsigned byte."""
        self.pack(_U8, value)

    def u16(self, value: int) -> None:
        """Write an unsigned 16-bit integer."""
        self.pack(_U16, value)

    def u32(self, value: int) -> None:
        """Write an unsigned 32-bit integer."""
        self.pack(_U32, value)

    def u64(self, value: int) -> None:
        """Write an unsigned 64-bit integer."""
        self.pack(_U64, value)

    def i16(self, value: int) -> None:
        """Write a signed 16-bit integer."""
        self.pack(_I16, value)

    def i32(self, value: int) -> None:
        """Write a signed 32-bit integer."""
        self.pack(_I32, value)

    def i64(self, value: int) -> None:
        """Write a signed 64-bit integer."""
        self.pack(_I64, value)

    def raw(self, data: Buffer) -> None:
        """Write bytes; a large payload is kept as it is, not copied, so it must not change afterwards."""
        view = memoryview(data)
        size = view.nbytes
        if size < PAYLOAD_SIZE:
            self._tail += view
        else:
            self._tail = bytearray()
            self._buffers += (data, self._tail)
        self.size += size

    def pointer(self, push: Callable[[WriteBuffer], None] | None) -> None:
        """Write an offset (spec F-7) to what `push` writes behind the fixed part; None is a null pointer."""
        if push is not None:
            self._pending.append((self._tail, len(self._tail), push))
        self.u32(0)

    def finish(self) -> tuple[Buffer, ...]:
        """Append what the pointers point to, depth first in the order they came, and return the body."""
        self._place_targets()
        return tuple(buffer for buffer in self._buffers if memoryview(buffer).nbytes)

    def _place_targets(self) -> None:
        pending, self._pending = self._pending, []
        for chunk, pos, push in pending:
            _U32.pack_into(chunk, pos, self.size)
            push(self)
            self._place_targets()


class Structure(Protocol):
    """Something with a fixed place for each field on the wire."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order.

        Raises:
            RemoteProtocolError: The data is short, or a value has no meaning.
        """
        ...

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order.

        Raises:
            LocalProtocolError: A value does not fit its field.
        """
        ...


class Message(Structure, Protocol):
    """A structure that is the whole body of a message."""

    TYPE: ClassVar[Any]
    """The message's number: a member of its channel's enum."""


@dataclass(frozen=True, slots=True)
class Marshalled:
    """A message that was turned into bytes, fit to be sent to any number of viewers."""

    type: int
    """The message's number."""
    buffers: tuple[Buffer, ...]
    """The body. Large payloads are the buffers they were made in."""
    size: int
    """Bytes of the body."""


def marshal(message: Message) -> Marshalled:
    """Turn a message into bytes.

    Raises:
        LocalProtocolError: A value does not fit its field.
    """
    buffer = WriteBuffer()
    message.push(buffer)
    buffers = buffer.finish()
    return Marshalled(int(message.TYPE), buffers, buffer.size)
