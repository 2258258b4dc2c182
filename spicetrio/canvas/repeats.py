"""Which pictures come again, so that viewers should keep them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from spicetrio.canvas.fingerprint import fingerprint
from spicetrio.canvas.surface import Surface
from spicetrio.wire.geometry import Rect

SMALLEST: Final = 256
"""Pixels below which an image is not worth a place in a cache."""
REMEMBERED: Final = 1024
"""Pictures that are remembered."""
SKETCHED_ROWS: Final = 16
"""One row in so many is looked at first."""


class Repeats:
    """Pictures that were sent lately, and ids of those that came again.

    Args:
        first_id: The id of the first of them; each further one is higher by `step`.
        step: The distance of ids.
    """

    def __init__(self, first_id: int, step: int) -> None:
        self._next_id = first_id
        self._step = step
        self._sketches: OrderedDict[bytes, int] = OrderedDict()
        self._ids: OrderedDict[bytes, int] = OrderedDict()

    def find(self, surface: Surface, rect: Rect) -> int | None:
        """Return the id of what an area shows now; None if it was not seen before."""
        if rect.width * rect.height < SMALLEST:
            return None
        if not _remember(self._sketches, _sketch(surface, rect)):
            return None
        whole = fingerprint(surface.pixels, surface.stride, rect.left, rect.top, rect.width, rect.height)
        if not _remember(self._ids, whole, self._next_id):
            self._next_id += self._step
        return self._ids[whole]


def _sketch(surface: Surface, rect: Rect) -> bytes:
    """Return what stands for some rows of an area: most pictures are new, and that is seen soon."""
    rows = memoryview(surface.pixels)[rect.top * surface.stride :]
    height = -(-rect.height // SKETCHED_ROWS)
    return fingerprint(rows, SKETCHED_ROWS * surface.stride, rect.left, 0, rect.width, height)


def _remember(seen: OrderedDict[bytes, int], key: bytes, value: int = 0) -> bool:
    """Tell whether it was seen before; the oldest is forgotten if there are too many."""
    if key in seen:
        seen.move_to_end(key)
        return True
    seen[key] = value
    if len(seen) > REMEMBERED:
        seen.popitem(last=False)
    return False
