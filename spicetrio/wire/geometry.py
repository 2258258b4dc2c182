"""Points, rectangles and what confines a drawing to them (spec S-1 to S-4)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple, Self, TypeAlias

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.enums import ClipType
from spicetrio.wire.values import known

_POINT: Final = Struct("<ii")
_POINT16: Final = Struct("<hh")
_RECT: Final = Struct("<iiii")
_TRANSFORM: Final = Struct("<6I")


class Point(NamedTuple):
    """A place in pixels."""

    x: int
    """From the left."""
    y: int
    """From the top."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_POINT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_POINT, self.x, self.y)


class Point16(NamedTuple):
    """A place in pixels, in 16 bits."""

    x: int
    """From the left."""
    y: int
    """From the top."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_POINT16))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_POINT16, self.x, self.y)


class PointFix(NamedTuple):
    """A place in sixteenths of a pixel (28.4 fixed point)."""

    x: int
    """From the left."""
    y: int
    """From the top."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_POINT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_POINT, self.x, self.y)


class Rect(NamedTuple):
    """A rectangle of pixels. On the wire the order is top, left, bottom, right."""

    left: int
    """The first column."""
    top: int
    """The first row."""
    right: int
    """The column behind the last."""
    bottom: int
    """The row behind the last."""

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in their order on the wire."""
        top, left, bottom, right = buffer.unpack(_RECT)
        return cls(left, top, right, bottom)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in their order on the wire."""
        buffer.pack(_RECT, self.top, self.left, self.bottom, self.right)


@dataclass(frozen=True, slots=True)
class Transform:
    """The upper two rows of a projective matrix, in 16.16 fixed point; the third is 0, 0, 1."""

    t00: int
    """Row 0, column 0."""
    t01: int
    """Row 0, column 1."""
    t02: int
    """Row 0, column 2."""
    t10: int
    """Row 1, column 0."""
    t11: int
    """Row 1, column 1."""
    t12: int
    """Row 1, column 2."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_TRANSFORM))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TRANSFORM, self.t00, self.t01, self.t02, self.t10, self.t11, self.t12)


Clip: TypeAlias = tuple[Rect, ...] | None
"""The rectangles that a drawing is confined to; None if it is not."""


def pull_clip(buffer: ReadBuffer) -> Clip:
    """Read the type of a clip and its rectangles."""
    return pull_clip_rects(buffer, buffer.u8())


def pull_clip_rects(buffer: ReadBuffer, clip_type: int) -> Clip:
    """Read what follows the type of a clip."""
    if known(ClipType, clip_type) is ClipType.NONE:
        return None
    return buffer.items(buffer.u32(), Rect.pull, _RECT.size)


def push_clip(buffer: WriteBuffer, clip: Clip) -> None:
    """Write the type of a clip and its rectangles."""
    if clip is None:
        buffer.u8(ClipType.NONE)
    else:
        buffer.u8(ClipType.RECTS)
        push_clip_rects(buffer, clip)


def push_clip_rects(buffer: WriteBuffer, rects: tuple[Rect, ...]) -> None:
    """Write what follows the type of a clip of rectangles."""
    buffer.u32(len(rects))
    for rect in rects:
        rect.push(buffer)
