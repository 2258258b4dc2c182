"""How fast a viewer's connection takes what it is sent, seen from the time that batches take."""

from __future__ import annotations

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
    """Whether a connection is slow, judged again with every large batch."""

    def __init__(self) -> None:
        self.slow = False
        """It takes less than 10 Mbit/s."""
        self._size = 0
        self._began = 0.0
        self._contrary = 0

    def begin(self, size: int, now: float) -> None:
        """Take in that a batch is sent.

        Args:
            size: In bytes.
            now: In seconds.
        """
        self._size, self._began = size, now

    def end(self, now: float) -> bool:
        """Take in that the connection has taken the batch; tell whether that changed `slow`."""
        size, self._size = self._size, 0
        if size < TELLING:
            return False
        rate = size / max(now - self._began, 1e-6)
        is_contrary = rate > HIGH if self.slow else rate < LOW
        self._contrary = self._contrary + 1 if is_contrary else 0
        if self._contrary < IN_A_ROW:
            return False
        self._contrary = 0
        self.slow = not self.slow
        return True
