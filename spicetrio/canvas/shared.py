"""What was made of areas of surfaces, for the next viewer that needs the same."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from spicetrio.canvas.region import intersect
from spicetrio.wire.geometry import Rect

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes that are kept; about two raw 1080p frames."""
MAX_AREAS: Final = 256
"""The most areas of which something is kept."""
MAX_CHANGES: Final = 64
"""Changes of surfaces that are remembered. What was made before them is not looked at any more."""

T = TypeVar("T")


@dataclass(slots=True)
class _Made(Generic[T]):
    since: int
    """How many changes there had been before it was made."""
    values: dict[Hashable, T] = field(default_factory=dict)
    """What was made of one area, all of the same pixels."""
    size: int = 0
    """Bytes of it."""


class Shared(Generic[T]):
    """Values that were made of areas, each of which is true until a pixel of its area changes.

    To change is common and has to be cheap, so it is only noted; whoever asks for a value looks what has changed since.
    """

    def __init__(self) -> None:
        self._areas: OrderedDict[tuple[int, Rect], _Made[T]] = OrderedDict()
        self._bytes = 0
        self._changes: deque[tuple[int, Rect]] = deque(maxlen=MAX_CHANGES)
        self._count = 0

    def changed(self, surface: int, rect: Rect) -> None:
        """Take in that an area has other pixels now."""
        if self._areas:
            self._changes.append((surface, rect))
            self._count += 1

    def get(self, surface: int, rect: Rect, key: Hashable) -> T | None:
        """Return what was kept of an area under a key; None if there is nothing, or it is not true any more."""
        made = self._areas.get((surface, rect))
        return made.values.get(key) if made and self._is_true(surface, rect, made) else None

    def keep(self, surface: int, rect: Rect, key: Hashable, value: T, size: int) -> None:
        """Keep what was made of an area as it is now; the oldest is dropped if there is too much.

        Args:
            surface: The surface's id.
            rect: The area.
            key: What else it depends on; `get` has returned None for it.
            value: What was made.
            size: Bytes of it.
        """
        made = self._areas.pop((surface, rect), None)
        if made and not self._is_true(surface, rect, made):
            self._bytes -= made.size
            made = None
        made = made or _Made(self._count)
        made.values[key] = value
        made.size += size
        self._bytes += size
        self._areas[surface, rect] = made
        while self._bytes > MAX_BYTES or len(self._areas) > MAX_AREAS:
            _, dropped = self._areas.popitem(last=False)
            self._bytes -= dropped.size

    def _is_true(self, surface: int, rect: Rect, made: _Made[T]) -> bool:
        """Tell whether an area has the same pixels still."""
        since = self._count - made.since
        if since > len(self._changes):
            return False
        for index in range(len(self._changes) - since, len(self._changes)):
            changed_surface, changed = self._changes[index]
            if changed_surface == surface and intersect(changed, rect):
                return False
        return True
