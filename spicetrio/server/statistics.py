"""Figures about a running server."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NoReturn

import trio

from spicetrio.server.client import Client

TICK: Final = 0.25
"""Seconds between two looks at the event loop."""
TICKS: Final = 40
"""Looks of which the latest one counts: those of the last ten seconds."""


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """One viewer's connection to one channel."""

    client: Client
    """The viewer."""
    channel: tuple[int, int]
    """Type and id of the channel."""
    queued: int
    """Bytes that wait to be sent now."""
    queued_peak: int
    """The most bytes that ever waited."""
    sent: int
    """Bytes sent."""
    received: int
    """Bytes received."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A server at one moment."""

    viewers: int
    """Viewers that are there."""
    half_open: int
    """Connections that did not prove themselves yet."""
    connections: tuple[ConnectionStatistics, ...]
    """All others."""
    lateness: float
    """Seconds by which the event loop was late at worst in the last ten seconds. More than a few milliseconds mean
    that something else in this process computes without giving way."""
    tasks: int
    """Trio tasks in this process."""


class LoopWatch:
    """Measures how late the event loop is."""

    def __init__(self) -> None:
        self._lateness: deque[float] = deque([0.0], maxlen=TICKS)

    @property
    def lateness(self) -> float:
        """Seconds, at worst, in the last ten seconds."""
        return max(self._lateness)

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + TICK
            await trio.sleep_until(due)
            self._lateness.append(trio.current_time() - due)
