"""Messages of a cursor channel (spec 3.3). A client sends none but those of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.base import Empty
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import CursorFlags, CursorMessage
from spicetrio.wire.errors import LocalProtocolError
from spicetrio.wire.geometry import Point16
from spicetrio.wire.values import known_flags

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEADER: Final = Struct("<QBHHHH")
_INIT: Final = Struct("<hhHHB")
_SET: Final = Struct("<hhB")
_TRAIL: Final = Struct("<HH")


@dataclass(frozen=True, slots=True)
class CursorHeader:
    """What describes a cursor's shape."""

    unique: int
    """Its key in the viewer's cache; 0 if it is not to be cached."""
    type: int
    """A `CursorType`."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    hot_x: int
    """The column that points."""
    hot_y: int
    """The row that points."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_HEADER))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_HEADER, self.unique, self.type, self.width, self.height, self.hot_x, self.hot_y)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor's shape, or none. It takes all that is left of its message."""

    flags: int
    """`CursorFlags` bits."""
    header: CursorHeader | None = None
    """Describes the shape; there if and only if NONE is not set."""
    data: Buffer = b""
    """The pixels; there are none with NONE or FROM_CACHE."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        flags = known_flags(CursorFlags, buffer.u16())
        if flags & CursorFlags.NONE:
            return cls(flags)
        header = CursorHeader.pull(buffer)
        return cls(flags, header, b"" if flags & CursorFlags.FROM_CACHE else bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        if bool(self.flags & CursorFlags.NONE) != (self.header is None):
            raise LocalProtocolError(f"flags {self.flags:#x} do not agree with header {self.header}")
        size = memoryview(self.data).nbytes
        if size and self.flags & (CursorFlags.NONE | CursorFlags.FROM_CACHE):
            raise LocalProtocolError(f"flags {self.flags:#x} leave no place for {size} bytes of pixels")
        buffer.u16(self.flags)
        if self.header is not None:
            self.header.push(buffer)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Init:
    """The state of the cursor, when the channel or a new primary surface begins."""

    TYPE: ClassVar = CursorMessage.INIT
    position: Point16
    """Where it points."""
    trail_length: int
    """How many earlier pictures of it stay on the screen."""
    trail_frequency: int
    """How often they are made."""
    visible: bool
    """It is shown."""
    cursor: Cursor
    """Its shape."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        x, y, length, frequency, visible = buffer.unpack(_INIT)
        return cls(Point16(x, y), length, frequency, bool(visible), Cursor.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_INIT, *self.position, self.trail_length, self.trail_frequency, self.visible)
        self.cursor.push(buffer)


@dataclass(frozen=True, slots=True)
class Reset(Empty):
    """There is no cursor any more, and the viewer's cache of shapes is empty."""

    TYPE: ClassVar = CursorMessage.RESET


@dataclass(frozen=True, slots=True)
class Set:
    """The cursor has another shape."""

    TYPE: ClassVar = CursorMessage.SET
    position: Point16
    """Where it points."""
    visible: bool
    """It is shown."""
    cursor: Cursor
    """Its shape."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        x, y, visible = buffer.unpack(_SET)
        return cls(Point16(x, y), bool(visible), Cursor.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SET, *self.position, self.visible)
        self.cursor.push(buffer)


@dataclass(frozen=True, slots=True)
class Move:
    """The cursor has moved; a hidden one is shown again."""

    TYPE: ClassVar = CursorMessage.MOVE
    position: Point16
    """Where it points."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(Point16.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.position.push(buffer)


@dataclass(frozen=True, slots=True)
class Hide(Empty):
    """The cursor is not shown."""

    TYPE: ClassVar = CursorMessage.HIDE


@dataclass(frozen=True, slots=True)
class Trail:
    """Sets the trail that the cursor leaves."""

    TYPE: ClassVar = CursorMessage.TRAIL
    length: int
    """How many earlier pictures of it stay on the screen."""
    frequency: int
    """How often they are made."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_TRAIL))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TRAIL, self.length, self.frequency)


@dataclass(frozen=True, slots=True)
class InvalOne:
    """The viewer drops a shape from its cache."""

    TYPE: ClassVar = CursorMessage.INVAL_ONE
    id: int
    """Its key."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u64())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u64(self.id)


@dataclass(frozen=True, slots=True)
class InvalAll(Empty):
    """The viewer drops all shapes from its cache."""

    TYPE: ClassVar = CursorMessage.INVAL_ALL


_SERVER: Final[tuple[type[Message], ...]] = (Init, Reset, Set, Move, Hide, Trail, InvalOne, InvalAll)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _SERVER}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {}
