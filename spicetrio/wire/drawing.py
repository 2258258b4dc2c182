"""What the drawing messages are made of (spec S-5 and S-10 to S-15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.enums import BrushType, ClipType, LineFlags, MaskFlags, PathFlags, StringFlags
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Clip, Point, PointFix, Rect, pull_clip_rects, push_clip_rects
from spicetrio.wire.image import Image
from spicetrio.wire.values import known, known_flags

if TYPE_CHECKING:
    from typing_extensions import Buffer

_DISPLAY_BASE: Final = Struct("<IiiiiB")
_MASK: Final = Struct("<Bii")
_SOLID: Final = Struct("<BI")
_SEGMENT: Final = Struct("<BI")
_STRING: Final = Struct("<HB")
_GLYPH: Final = Struct("<iiiiHH")

_ORIGIN: Final = Point(0, 0)

GLYPH_BITS: Final[Mapping[int, int]] = {StringFlags.A1: 1, StringFlags.A4: 4, StringFlags.A8: 8}
"""Bits that a pixel of a glyph takes, by the one of these flags that a string has."""


@dataclass(frozen=True, slots=True)
class DisplayBase:
    """Where a drawing goes; the first part of every drawing message."""

    surface_id: int
    """The surface; 0 is the primary."""
    box: Rect
    """What the drawing covers."""
    clip: Clip = None
    """What it is confined to besides."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        surface_id, top, left, bottom, right, clip_type = buffer.unpack(_DISPLAY_BASE)
        return cls(surface_id, Rect(left, top, right, bottom), pull_clip_rects(buffer, clip_type))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        left, top, right, bottom = self.box
        clip = self.clip
        clip_type = ClipType.NONE if clip is None else ClipType.RECTS
        buffer.pack(_DISPLAY_BASE, self.surface_id, top, left, bottom, right, clip_type)
        if clip is not None:
            push_clip_rects(buffer, clip)


@dataclass(frozen=True, slots=True)
class Solid:
    """A brush of one color."""

    color: int
    """0x00RRGGBB, or what the surface's format has."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A brush that repeats an image."""

    image: Image
    """The tile."""
    position: Point
    """Where on the surface a tile begins."""


Brush: TypeAlias = Solid | Pattern | None
"""What paints; None paints nothing."""


def pull_brush(buffer: ReadBuffer) -> Brush:
    """Read the type of a brush, and what it says."""
    match known(BrushType, buffer.u8()):
        case BrushType.NONE:
            return None
        case BrushType.SOLID:
            return Solid(buffer.u32())
        case BrushType.PATTERN:
            return Pattern(buffer.target(Image.pull), Point.pull(buffer))


def push_brush(buffer: WriteBuffer, brush: Brush) -> None:
    """Write the type of a brush, and what belongs to it."""
    match brush:
        case None:
            buffer.u8(BrushType.NONE)
        case Solid(color):
            buffer.pack(_SOLID, BrushType.SOLID, color)
        case Pattern(image, position):
            buffer.u8(BrushType.PATTERN)
            buffer.pointer(image.push)
            position.push(buffer)


@dataclass(frozen=True, slots=True)
class QMask:
    """Bits that say which pixels a drawing changes."""

    flags: int = MaskFlags.NONE
    """`MaskFlags` bits."""
    position: Point = _ORIGIN
    """The place in the bitmap that belongs to the first pixel of the box."""
    bitmap: Image | None = None
    """The bits; None changes all pixels."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        flags, x, y = buffer.unpack(_MASK)
        return cls(flags, Point(x, y), buffer.pointer(Image.pull))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MASK, self.flags, *self.position)
        buffer.pointer(self.bitmap.push if self.bitmap else None)


NO_MASK: Final = QMask()
"""Lets a drawing change all pixels."""


@dataclass(frozen=True, slots=True)
class LineAttr:
    """How a line is stroked."""

    flags: int = LineFlags.NONE
    """`LineFlags` bits."""
    style: tuple[int, ...] | None = None
    """Lengths of dashes and gaps in turn, in 28.4 fixed point; at most 255. There if and only if STYLED is set."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        flags = known_flags(LineFlags, buffer.u8())
        if not flags & LineFlags.STYLED:
            return cls(flags)
        count = buffer.u8()
        style = buffer.pointer(lambda target: target.items(count, ReadBuffer.i32, 4))
        if style is None and count:
            raise RemoteProtocolError(f"got a null pointer, expected a style of {count} lengths")
        return cls(flags, style or ())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        if bool(self.flags & LineFlags.STYLED) != (self.style is not None):
            raise LocalProtocolError(f"flags {self.flags:#x} do not agree with style {self.style!r}")
        buffer.u8(self.flags)
        if self.style is not None:
            buffer.u8(len(self.style))
            buffer.pointer(self._push_style if self.style else None)

    def _push_style(self, buffer: WriteBuffer) -> None:
        for length in self.style or ():
            buffer.i32(length)


@dataclass(frozen=True, slots=True)
class PathSegment:
    """A run of points of a path."""

    flags: int
    """`PathFlags` bits."""
    points: tuple[PointFix, ...]
    """Ends of lines; with BEZIER, three for each curve."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        flags, count = buffer.unpack(_SEGMENT)
        return cls(known_flags(PathFlags, flags), buffer.items(count, PointFix.pull, 8))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SEGMENT, self.flags, len(self.points))
        for point in self.points:
            point.push(buffer)


@dataclass(frozen=True, slots=True)
class Path:
    """Lines and curves."""

    segments: tuple[PathSegment, ...]
    """Its parts, in order."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u32(), PathSegment.pull, _SEGMENT.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(len(self.segments))
        for segment in self.segments:
            segment.push(buffer)


@dataclass(frozen=True, slots=True)
class Glyph:
    """The picture of a character."""

    render_position: Point
    """Where its origin lies on the surface."""
    origin: Point
    """From there to its first pixel."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    data: Buffer
    """Its rows, each padded to whole bytes; a string says how deep they are."""


@dataclass(frozen=True, slots=True)
class String:
    """A run of glyphs."""

    flags: int
    """`StringFlags` bits: one of A1, A4 and A8, and perhaps TOP_DOWN."""
    glyphs: tuple[Glyph, ...]
    """At most 65535."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        count, flags = buffer.unpack(_STRING)
        bits = GLYPH_BITS.get(known_flags(StringFlags, flags) & ~int(StringFlags.TOP_DOWN))
        if bits is None:
            raise RemoteProtocolError(f"got string flags {flags:#x}, expected one of A1, A4 and A8")
        return cls(flags, buffer.items(count, partial(_pull_glyph, bits=bits), _GLYPH.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        bits = GLYPH_BITS.get(self.flags & ~int(StringFlags.TOP_DOWN))
        if bits is None:
            raise LocalProtocolError(f"string flags {self.flags:#x} are not one of A1, A4 and A8")
        buffer.pack(_STRING, len(self.glyphs), self.flags)
        for glyph in self.glyphs:
            size = memoryview(glyph.data).nbytes
            if size != _glyph_size(glyph.width, glyph.height, bits):
                raise LocalProtocolError(f"{size} bytes are not a glyph of {glyph.width}x{glyph.height}")
            buffer.pack(_GLYPH, *glyph.render_position, *glyph.origin, glyph.width, glyph.height)
            buffer.raw(glyph.data)


def _glyph_size(width: int, height: int, bits: int) -> int:
    return (bits * width + 7) // 8 * height


def _pull_glyph(buffer: ReadBuffer, bits: int) -> Glyph:
    x, y, origin_x, origin_y, width, height = buffer.unpack(_GLYPH)
    data = bytes(buffer.raw(_glyph_size(width, height, bits)))
    return Glyph(Point(x, y), Point(origin_x, origin_y), width, height, data)
