"""What a console shows, as QEMU tells it, and what of that is still to be drawn.

QEMU tells it in its own time, and keeps in its memory what is not read. So all of it is taken at once and put
together here; the display draws from it when it is ready for more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import trio

import spicetrio
from spicetrio.channels.display import MAX_SIZE

MOST_RECTANGLES: Final = 64
"""Damage of more pieces than this is taken as one: the display finds out what really differs."""
FORMATS: Final = {
    0x20020888: ("BGRX", 4),
    0x20028888: ("BGRA", 4),
    0x20030888: ("RGBX", 4),
    0x20038888: ("RGBA", 4),
    0x18020888: ("BGR", 3),
    0x18030888: ("RGB", 3),
    0x10020565: ("RGB565", 2),
    0x10020555: ("RGB555", 2),
    0x20080888: ("RGBX", 4),
    0x20088888: ("RGBX", 4),
    0x20090888: ("BGRX", 4),
    0x20098888: ("BGRX", 4),
}
"""What a display calls the formats of pixman, on little-endian machines, and the bytes of a pixel."""
UNUSED_FIRST: Final = frozenset({0x20080888, 0x20088888, 0x20090888, 0x20098888})
"""In these the byte that is not used comes first in a pixel, as from big-endian guests."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scanout:
    """A whole picture."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    stride: int
    """Bytes from one row to the next."""
    format: str
    """As displays call it."""
    pixels: memoryview
    """The rows."""
    shared: bool = False
    """QEMU draws here itself."""

    @property
    def bounds(self) -> spicetrio.Rect:
        """All of it."""
        return spicetrio.Rect(0, 0, self.width, self.height)


class Screen:
    """A console's picture, and where it has changed since it was last taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._damage: list[spicetrio.Rect] = []
        self._changed = trio.Event()
        self._unshown: int | None = None
        self.scanout: Scanout | None = None
        """The picture; None while QEMU has told none."""

    def replace(
        self, width: int, height: int, stride: int, pixman_format: int, pixels: memoryview, *, shared: bool = False
    ) -> None:
        """Take in another picture. One that makes no sense, or that a display cannot show, is black."""
        name, depth = FORMATS.get(pixman_format, ("", 0))
        self._unshown = None
        if max(width, height) > MAX_SIZE:
            _log.warning("%s has %d x %d pixels, which cannot be shown", self._name, width, height)
            self._unshown = pixman_format
            self.blank()
        elif not depth:
            _log.warning("%s has pixels of pixman's format %#x, which cannot be shown", self._name, pixman_format)
            self._unshown = pixman_format
            self._show(_black(width, height))
        elif 0 < width * depth <= stride and len(pixels) >= stride * (height - 1) + width * depth:
            self._show(Scanout(width, height, stride, name, _aligned(pixels, pixman_format), shared))
        else:
            self._show(_black(width, height))

    def update(
        self, x: int, y: int, width: int, height: int, stride: int, pixman_format: int, pixels: memoryview
    ) -> bool:
        """Take in a part of the picture; False if it is part of another picture than this one.

        After a change of mode QEMU goes on with the parts of the new picture, and tells its size only when it sends
        all of it, which may be never.
        """
        if pixman_format == self._unshown:
            return True
        scanout = self.scanout
        name, depth = FORMATS.get(pixman_format, ("", 0))
        area = spicetrio.Rect(x, y, x + width, y + height)
        if scanout is None or scanout.shared or name != scanout.format or not _contains(scanout.bounds, area):
            return False
        row = width * depth
        if stride < row or len(pixels) < stride * (height - 1) + row:
            return False
        pixels = _aligned(pixels, pixman_format)
        at = y * scanout.stride + x * depth
        for start in range(0, stride * height, stride):
            scanout.pixels[at : at + row] = pixels[start : start + row]
            at += scanout.stride
        self._add(area)
        return True

    def touch(self, x: int, y: int, width: int, height: int) -> None:
        """Take in that QEMU has drawn in an area of the memory it shares."""
        if self.scanout is not None:
            bounds = self.scanout.bounds
            area = spicetrio.Rect(max(x, 0), max(y, 0), min(x + width, bounds.right), min(y + height, bounds.bottom))
            if area.left < area.right and area.top < area.bottom:
                self._add(area)

    def blank(self) -> None:
        """Take in that the console shows nothing."""
        if self.scanout is not None:
            self._show(_black(self.scanout.width, self.scanout.height))

    async def changed(self) -> None:
        """Wait until there is something to take.

        Cancellation: at any time.
        """
        await self._changed.wait()

    def take(self) -> tuple[Scanout, list[spicetrio.Rect]]:
        """Return the picture, and where it has changed. There must be something."""
        assert self.scanout is not None
        self._changed = trio.Event()
        damage, self._damage = self._damage, []
        return self.scanout, damage

    def _show(self, scanout: Scanout | None) -> None:
        if scanout is not None:
            self.scanout = scanout
            self._damage = [scanout.bounds]
            self._changed.set()

    def _add(self, area: spicetrio.Rect) -> None:
        self._damage.append(area)
        if len(self._damage) > MOST_RECTANGLES:
            self._damage = [_around(self._damage)]
        self._changed.set()


def _aligned(pixels: memoryview, pixman_format: int) -> memoryview:
    """Return pixels whose unused byte comes last, as displays take them."""
    if pixman_format in UNUSED_FIRST:
        return memoryview(bytearray(pixels[1:]) + b"\0")
    return pixels


def _black(width: int, height: int) -> Scanout | None:
    """Return a picture of nothing; None if it would have no pixel."""
    if width < 1 or height < 1:
        return None
    return Scanout(width, height, 4 * width, "BGRX", memoryview(bytearray(4 * width * height)))


def _contains(outer: spicetrio.Rect, inner: spicetrio.Rect) -> bool:
    return (
        outer.left <= inner.left < inner.right <= outer.right and outer.top <= inner.top < inner.bottom <= outer.bottom
    )


def _around(areas: list[spicetrio.Rect]) -> spicetrio.Rect:
    lefts, tops, rights, bottoms = zip(*areas, strict=True)
    return spicetrio.Rect(min(lefts), min(tops), max(rights), max(bottoms))
