"""What viewers keep of images and palettes, as told by the server, which decides what they drop."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_PALETTES: Final = 128
"""Palettes that a viewer keeps for each display (spec IC-28)."""


class Cache:
    """The ids of what one viewer keeps for one display, least recently used first (spec IC-24, IC-25).

    Args:
        capacity: How much it may keep: pixels of images, or a number of palettes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity: Final = capacity
        self._sizes: OrderedDict[int, int] = OrderedDict()
        self._free = capacity

    def use(self, key: int) -> bool:
        """Tell whether the viewer keeps something, which is about to be used."""
        if key not in self._sizes:
            return False
        self._sizes.move_to_end(key)
        return True

    def add(self, key: int, size: int = 1) -> list[int]:
        """Take in that the viewer is told to keep something; return what it is to drop before.

        Args:
            key: Its id, which is not in the cache.
            size: What it takes of the capacity, at most all of it.
        """
        self._sizes[key] = size
        self._free -= size
        dropped = []
        while self._free < 0:
            other, other_size = self._sizes.popitem(last=False)
            self._free += other_size
            dropped.append(other)
        return dropped
