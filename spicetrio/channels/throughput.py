"""How fast a viewer's connection takes what it is sent, seen from the time that batches take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LOW: Final = 10_000_000 / 8
"""Bytes a second below which a connection is slow: 10 Mbit/s, as for libspice-server (spec F-23)."""
HIGH: Final = 2 * LOW
"""Bytes a second above which it is not slow any more."""
TELLING: Final = 32 * 1024
"""Bytes below which a batch tells nothing: it fits into buffers."""
IN_A_ROW: Final = 3
"""Batches that must tell the same before it is believed."""


class Throughput:
    """Whether a connection is slow, judged again with every large batch.

    Args:
        clock: Tells the time in seconds. It is not asked for small batches, of which there are many.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.slow = False
        """It takes less than 10 Mbit/s."""
        self._size = 0
        self._began = 0.0
        self._contrary = 0

    def begin(self, size: int) -> None:
        """Take in that a batch of so many bytes is sent."""
        self._size = size if size >= TELLING else 0
        if self._size:
            self._began = self._clock()

    def end(self) -> bool:
        """Take in that the connection has taken the batch; tell whether that changed `slow`."""
        size, self._size = self._size, 0
        if not size:
            return False
        rate = size / max(self._clock() - self._began, 1e-6)
        is_contrary = rate > HIGH if self.slow else rate < LOW
        self._contrary = self._contrary + 1 if is_contrary else 0
        if self._contrary < IN_A_ROW:
            return False
        self._contrary = 0
        self.slow = not self.slow
        return True
