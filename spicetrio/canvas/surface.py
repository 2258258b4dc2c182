"""Surfaces: pixels that are drawn on, in the layouts that viewers have (spec S-19)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from spicetrio.wire.enums import SurfaceFormat
from spicetrio.wire.geometry import Rect

if TYPE_CHECKING:
    from typing_extensions import Buffer

BITS: Final = {
    SurfaceFormat.A1: 1,
    SurfaceFormat.A8: 8,
    SurfaceFormat.XRGB1555: 16,
    SurfaceFormat.RGB565: 16,
    SurfaceFormat.XRGB32: 32,
    SurfaceFormat.ARGB32: 32,
}
"""Bits that a pixel takes."""
LARGEST: Final = 32767
"""The most pixels that a surface or an image has in a row or column."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle of pixels that are read."""

    data: Buffer
    """What they are in; flat bytes."""
    offset: int
    """Bytes before the first pixel of the top row."""
    stride: int
    """Bytes from one row to the next below it; may be negative, or 0 if all rows are the same one."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    format: SurfaceFormat
    """Their layout; not A1. If it is XRGB32, the fourth byte of a pixel means nothing."""

    @property
    def depth(self) -> int:
        """Bytes of a pixel."""
        return BITS[self.format] // 8

    def part(self, rect: Rect) -> Plane:
        """Return a rectangle of it."""
        offset = self.offset + rect.top * self.stride + rect.left * self.depth
        return Plane(self.data, offset, self.stride, rect.width, rect.height, self.format)


class Shape(Protocol):
    """What a surface is, but for its pixels."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def format(self) -> SurfaceFormat:
        """The layout of the pixels."""

    @property
    def bounds(self) -> Rect:
        """All pixels."""


class Surface:
    """Pixels that are drawn on; zero at first.

    Rows run from top to bottom and begin at multiples of 4 bytes. A pixel of 32 bits is blue, green, red and x or
    alpha; x is 0 after whatever is drawn. One of 16 bits has its low byte first. A1 has its first pixel in the lowest
    bit of a byte.

    Args:
        width: In pixels, 1 to `LARGEST`.
        height: In pixels, 1 to `LARGEST`.
        format: The layout of the pixels.

    Raises:
        ValueError: There is no pixel, or more than viewers can have.
    """

    __slots__ = ("bounds", "format", "height", "pixels", "stride", "width")

    def __init__(self, width: int, height: int, format: SurfaceFormat) -> None:  # noqa: A002 - the protocol's word
        if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
            raise ValueError(f"the surface is {width} x {height}, expected 1 to {LARGEST} each")
        self.width = width
        self.height = height
        self.format = format
        self.stride = (width * BITS[format] + 31) // 32 * 4
        self.pixels = bytearray(self.stride * height)
        self.bounds = Rect(0, 0, width, height)

    @property
    def depth(self) -> int:
        """Bytes of a pixel; not for A1."""
        return BITS[self.format] // 8

    def plane(self) -> Plane:
        """Return its pixels to be read, as they are and will be; not for A1."""
        return Plane(self.pixels, 0, self.stride, self.width, self.height, self.format)
