"""The beat of what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from spicetrio import Server


class Pulse:
    """Beats at an even pace while somebody watches; a demo that nobody looks at costs nothing.

    Args:
        server: Whose viewers count.
        interval: Seconds between two beats. Beats that come too late are left out, not made up for.
    """

    def __init__(self, server: Server, interval: float) -> None:
        self._viewers = server.clients
        self._interval = interval
        self._last = trio.current_time()

    async def beat(self) -> float:
        """Wait for the next beat.

        Returns:
            Seconds since the last one, not counting the time without viewers.

        Cancellation: the beat is lost.
        """
        if not self._viewers.value:
            await self._viewers.wait_value(bool)
            self._last = trio.current_time() - self._interval
        await trio.sleep_until(self._last + self._interval)
        now = trio.current_time()
        passed, self._last = now - self._last, now
        return passed
