"""What was made of areas of surfaces, for the next viewer that needs the same."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from spicetrio.canvas.region import intersect
from spicetrio.wire.geometry import Rect

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes that are kept; about two raw 1080p frames."""
MAX_ENTRIES: Final = 256
"""The most that is kept."""
MAX_CHANGES: Final = 64
"""Changes of surfaces that are remembered. What was made before them is not looked at any more."""

T = TypeVar("T")


class Shared(Generic[T]):
    """Values that were made of areas, each of which is true until a pixel of its area changes.

    To change is common and has to be cheap, so it is only noted; whoever asks for a value looks what has changed since.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[int, Rect, Hashable], tuple[int, T, int]] = OrderedDict()
        self._bytes = 0
        self._changes: deque[tuple[int, Rect]] = deque(maxlen=MAX_CHANGES)
        self._count = 0

    def changed(self, surface: int, rect: Rect) -> None:
        """Take in that an area has other pixels now."""
        if self._entries:
            self._changes.append((surface, rect))
            self._count += 1

    def get(self, surface: int, rect: Rect, key: Hashable) -> T | None:
        """Return what was kept of an area under a key; None if there is nothing, or it is not true any more."""
        entry = self._entries.get((surface, rect, key))
        if entry is None:
            return None
        then, value, _ = entry
        since = self._count - then
        if since > len(self._changes):
            return None
        for index in range(len(self._changes) - since, len(self._changes)):
            changed_surface, changed = self._changes[index]
            if changed_surface == surface and intersect(changed, rect):
                return None
        return value

    def keep(self, surface: int, rect: Rect, key: Hashable, value: T, size: int) -> None:
        """Keep what was made of an area as it is now; the oldest is dropped if there is too much.

        Args:
            surface: The surface's id.
            rect: The area.
            key: What else it depends on.
            value: What was made.
            size: Bytes of it.
        """
        whole = (surface, rect, key)
        if before := self._entries.pop(whole, None):
            self._bytes -= before[2]
        self._entries[whole] = (self._count, value, size)
        self._bytes += size
        while self._bytes > MAX_BYTES or len(self._entries) > MAX_ENTRIES:
            _, (_, _, dropped) = self._entries.popitem(last=False)
            self._bytes -= dropped
