"""What one viewer lacks of one surface: pixels that are wrong there, and pixels that are blurred.

A viewer has the right pixels everywhere outside of the *dirty* region, once it has carried out its commands. Inside of
the *blurred* region they are right but for what a lossy codec has lost; that is made good when there is nothing better
to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spicetrio.canvas.region import Region, bounding, translate
from spicetrio.wire.geometry import Rect

STRIP_PIXELS: Final = 256 * 1024
"""The most pixels that are sent as one image. What changes while a strip is sent is not sent twice."""


class Lack:
    """What one viewer lacks of one surface.

    Args:
        bounds: The whole surface, all of which it lacks at first.
    """

    __slots__ = ("_sweep", "_unseen", "blurred", "dirty")

    def __init__(self, bounds: Rect) -> None:
        self.dirty = Region(bounds)
        """Where its pixels are wrong."""
        self.blurred = Region()
        """Where they were sent with a loss."""
        self._unseen = Region(bounds)
        self._sweep = Region()

    def __bool__(self) -> bool:
        """Tell whether anything is lacking."""
        return bool(self.dirty or self.blurred)

    @property
    def complete(self) -> bool:
        """Every pixel has been right at the viewer at some time, so it has a picture that is worth showing."""
        if self._unseen and not any(self.dirty.intersects(rect) for rect in self._unseen):
            self._unseen = Region()
        return not self._unseen

    def is_exact(self, rect: Rect) -> bool:
        """Tell whether the viewer has exactly the pixels of an area."""
        return not (self.dirty.intersects(rect) or self.blurred.intersects(rect))

    def renew(self, rects: Iterable[Rect]) -> None:
        """Take in that areas have new pixels, which the viewer is to be sent."""
        for rect in rects:
            self.dirty.add(rect)
            self.blurred.subtract(rect)
        self.dirty.bound()

    def renew_around(self, rects: Iterable[Rect]) -> None:
        """Do the same, but keep one area around all that is dirty. A viewer that reads nothing then costs little."""
        self.renew(rects)
        if self.dirty:
            self.dirty = Region(bounding(self.dirty))

    def overwrite(self, rects: Iterable[Rect]) -> None:
        """Take in that a command gives areas new pixels at the viewer, whatever was there."""
        for rect in rects:
            self.dirty.subtract(rect)
            self.blurred.subtract(rect)

    def change(self, rects: Iterable[Rect]) -> None:
        """Take in that a command makes new pixels of those in areas: a little wrong may become very wrong."""
        if self.blurred:
            self.renew(part for rect in rects for part in self.blurred.within(rect))

    def move(self, rects: Iterable[Rect], dx: int, dy: int) -> None:
        """Take in that a command copies areas at once, with all that is wrong in them.

        Args:
            rects: Where to.
            dx: From how far to the left.
            dy: From how far above.
        """
        rects = tuple(rects)
        for region in (self.dirty, self.blurred):
            moved = [translate(part, dx, dy) for rect in rects for part in region.within(translate(rect, -dx, -dy))]
            for rect in rects:
                region.subtract(rect)
            for part in moved:
                region.add(part)
            region.bound()

    def take_strip(self, scale: int = 1) -> Rect | None:
        """Return an area whose pixels the viewer is to be sent next; None if there is none.

        Strips go in sweeps down the surface: one sweep sends what is dirty when it begins, and each pixel once. So
        what changes all the time at one place does not keep the rest waiting.

        Args:
            scale: How many times `STRIP_PIXELS` a strip may have.
        """
        if not self.dirty:
            return None
        rect = self._next_in_sweep()
        if rect is None:
            self._sweep = self.dirty.copy()
            rect = self._next_in_sweep()
            assert rect is not None
        strip = _strip_of(rect, scale)
        self._sweep.subtract(strip)
        self.dirty.subtract(strip)
        self.blurred.subtract(strip)
        self._unseen.subtract(strip)
        return strip

    def blur(self, strip: Rect) -> None:
        """Take in that a strip was sent with a loss."""
        self.blurred.add(strip)
        self.blurred.bound()

    def take_blurred(self) -> Rect | None:
        """Return an area that the viewer is to be sent again without loss; None if there is none."""
        rect = min(self.blurred, key=_top_left, default=None)
        if rect is None:
            return None
        strip = _strip_of(rect, 1)
        self.blurred.subtract(strip)
        return strip

    def _next_in_sweep(self) -> Rect | None:
        """Return the first area of this sweep that is dirty still; None if the sweep is over."""
        for rect in sorted(self._sweep, key=_top_left):
            if parts := self.dirty.within(rect):
                return min(parts, key=_top_left)
            self._sweep.subtract(rect)
        return None


def _strip_of(rect: Rect, scale: int) -> Rect:
    rows = max(1, scale * STRIP_PIXELS // rect.width)
    return Rect(rect.left, rect.top, rect.right, min(rect.bottom, rect.top + rows))


def _top_left(rect: Rect) -> tuple[int, int]:
    return rect.top, rect.left
