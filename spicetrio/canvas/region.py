"""Sets of pixels, as rectangles that do not overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from spicetrio.wire.geometry import Rect

MAX_RECTS: Final = 64
"""A region of more rectangles is made coarser by `bound`."""
COARSE_RECTS: Final = 16
"""Its rectangles are gathered in as many groups, or fewer."""
FEW_RECTS: Final = 32
"""As many rectangles are left at most; more than groups only where those overlap."""


def intersect(one: Rect, other: Rect) -> Rect | None:
    """Return the rectangle that two have in common; None if there is none."""
    left, top = max(one.left, other.left), max(one.top, other.top)
    right, bottom = min(one.right, other.right), min(one.bottom, other.bottom)
    return Rect(left, top, right, bottom) if left < right and top < bottom else None


def translate(rect: Rect, dx: int, dy: int) -> Rect:
    """Return a rectangle moved."""
    return Rect(rect.left + dx, rect.top + dy, rect.right + dx, rect.bottom + dy)


def bounding(rects: Iterable[Rect]) -> Rect:
    """Return the smallest rectangle around others, of which there must be one."""
    lefts, tops, rights, bottoms = zip(*rects, strict=True)
    return Rect(min(lefts), min(tops), max(rights), max(bottoms))


class Region:
    """A set of pixels.

    Args:
        rects: Rectangles that do not overlap.
    """

    __slots__ = ("_rects",)

    def __init__(self, *rects: Rect) -> None:
        self._rects = list(rects)

    def __bool__(self) -> bool:
        return bool(self._rects)

    def __iter__(self) -> Iterator[Rect]:
        """Iterate over the rectangles; the region may be changed meanwhile."""
        return iter(tuple(self._rects))

    def __len__(self) -> int:
        return len(self._rects)

    def __repr__(self) -> str:
        return f"Region({', '.join(map(repr, self._rects))})"

    @property
    def area(self) -> int:
        """Number of pixels."""
        return sum((rect.right - rect.left) * (rect.bottom - rect.top) for rect in self._rects)

    def copy(self) -> Region:
        """Return an independent region of the same pixels."""
        return Region(*self._rects)

    def intersects(self, rect: Rect) -> bool:
        """Tell whether any pixel of a rectangle is in the region."""
        return any(intersect(own, rect) for own in self._rects)

    def covers(self, rect: Rect) -> bool:
        """Tell whether all pixels of a rectangle are in the region."""
        missing = Region(rect)
        for own in self._rects:
            missing.subtract(own)
        return not missing

    def within(self, rect: Rect) -> list[Rect]:
        """Return the part of the region that lies in a rectangle."""
        return [common for own in self._rects if (common := intersect(own, rect))]

    def add(self, rect: Rect) -> None:
        """Add the pixels of a rectangle."""
        self.subtract(rect)
        self._rects.append(rect)
        self._join_last()

    def subtract(self, rect: Rect) -> None:
        """Remove the pixels of a rectangle."""
        if not self._rects:
            return
        rects = []
        for own in self._rects:
            common = intersect(own, rect)
            if common is None:
                rects.append(own)
            else:
                rects += _around(own, common)
        self._rects = rects

    def bound(self) -> None:
        """Take in more pixels, if that is what it takes to have few rectangles."""
        if len(self._rects) <= MAX_RECTS:
            return
        rects = sorted(self._rects, key=lambda rect: (rect.top, rect.left))
        groups = COARSE_RECTS
        while len(self._rects) > FEW_RECTS:
            size = -(-len(rects) // groups)
            self._rects = []
            for first in range(0, len(rects), size):
                self.add(bounding(rects[first : first + size]))
            groups //= 2  # in case these overlap so much that they came to pieces again

    def _join_last(self) -> None:
        """Join the last rectangle with such that share a whole edge with it, as lines typed and strips sent do."""
        joined = True
        while joined:
            joined = False
            last = self._rects[-1]
            for index, other in enumerate(self._rects[:-1]):
                same_columns = (other.left, other.right) == (last.left, last.right)
                same_rows = (other.top, other.bottom) == (last.top, last.bottom)
                stacked = same_columns and (other.bottom == last.top or other.top == last.bottom)
                abreast = same_rows and (other.right == last.left or other.left == last.right)
                if stacked or abreast:
                    del self._rects[index]
                    self._rects[-1] = bounding((other, last))
                    joined = True
                    break


def _around(rect: Rect, hole: Rect) -> Iterator[Rect]:
    """Yield what is left of a rectangle around a hole in it."""
    if rect.top < hole.top:
        yield Rect(rect.left, rect.top, rect.right, hole.top)
    if rect.left < hole.left:
        yield Rect(rect.left, hole.top, hole.left, hole.bottom)
    if hole.right < rect.right:
        yield Rect(hole.right, hole.top, rect.right, hole.bottom)
    if hole.bottom < rect.bottom:
        yield Rect(rect.left, hole.bottom, rect.right, rect.bottom)
