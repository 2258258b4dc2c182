"""Where things are on the demo's display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_WIDTH: Final = 640
MIN_HEIGHT: Final = 480

_MARGIN: Final = 14
_GAP: Final = 12
_HEADER: Final = 54
_TICKER: Final = 30
_SOUND: Final = 40


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its corner and its size, as the display's calls take it."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    def holds(self, x: float, y: float) -> bool:
        """Whether the point is inside."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def inset(self, left: int, top: int | None = None, right: int | None = None, bottom: int | None = None) -> Box:
        """Return what is left without these edges; one number is for all four, two for sides and top and bottom."""
        top = left if top is None else top
        right = left if right is None else right
        bottom = top if bottom is None else bottom
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)

    def union(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def touches(self, other: Box) -> bool:
        """Whether the two overlap."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def clip(self, other: Box) -> Box:
        """Return what both hold; its size is 0 if that is nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Box(x, y, max(min(self.right, other.right) - x, 0), max(min(self.bottom, other.bottom) - y, 0))

    def moved(self, dx: int, dy: int) -> Box:
        """Return a box of this size elsewhere."""
        return Box(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all panels: two columns between a header and a ticker."""

    width: int
    height: int
    header: Box
    paint: Box
    keyboard: Box
    sound: Box
    clock: Box
    motion: Box
    viewers: Box
    journal: Box
    ticker: Box

    @classmethod
    def of(cls, width: int, height: int) -> Layout:
        """Return the layout of a display of that size.

        Raises:
            ValueError: The size is too small.
        """
        if width < MIN_WIDTH or height < MIN_HEIGHT:
            raise ValueError(f"the demo needs at least {MIN_WIDTH}x{MIN_HEIGHT}, got {width}x{height}")
        inner = width - 2 * _MARGIN
        header = Box(_MARGIN, 0, inner, _HEADER)
        ticker = Box(0, height - _TICKER, width, _TICKER)
        right = min(max(inner * 37 // 100, 236), 460)
        left = inner - _GAP - right
        top, bottom = header.bottom, ticker.y - _GAP
        sound = Box(_MARGIN, bottom - _SOUND, left, _SOUND)
        paint, keyboard = _stack(_MARGIN, top, left, sound.y - _GAP, (51, 49))
        clock, motion, viewers, journal = _stack(_MARGIN + left + _GAP, top, right, bottom, (21, 29, 25, 25))
        return cls(width, height, header, paint, keyboard, sound, clock, motion, viewers, journal, ticker)


def _stack(x: int, top: int, width: int, bottom: int, shares: tuple[int, ...]) -> list[Box]:
    """Return boxes below each other, with gaps, that share the height."""
    room = bottom - top - _GAP * (len(shares) - 1)
    boxes = []
    for share in shares:
        height = room * share // sum(shares)
        boxes.append(Box(x, top, width, height))
        top += height + _GAP
    last = boxes[-1]
    boxes[-1] = Box(last.x, last.y, last.width, bottom - last.y)
    return boxes
