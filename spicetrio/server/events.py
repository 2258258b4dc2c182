"""What happens to connections, for whoever wants to know: logs, audits, other programs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

import trio

from spicetrio.server.client import Client
from spicetrio.server.tickets import Role

QUEUE_LENGTH: Final = 1024
"""Events that wait for one reader; then its oldest are dropped, and counted."""


class EventKind(Enum):
    """The stages of a connection, in order (spec L-52)."""

    CONNECTED = "connected"
    """It was accepted."""
    AUTHENTICATED = "authenticated"
    """Its ticket was right."""
    INITIALISED = "initialised"
    """It serves a channel of a viewer."""
    DISCONNECTED = "disconnected"
    """It is closed. Every connection has this event once, at whatever stage it was."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over a connection."""

    sent: int = 0
    """Bytes to the viewer, without the link stage."""
    received: int = 0
    """Bytes from the viewer, without the link stage."""
    seconds: float = 0.0
    """How long the connection was there."""


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """A connection has come to another stage."""

    kind: EventKind
    """Which stage."""
    connection: int
    """Numbers the connections of a server, from 1."""
    peer: str
    """The peer's address, without its port; `unix` for UNIX sockets."""
    role: Role | None = None
    """What its ticket is good for; None before it is known."""
    ticket: str = ""
    """The ticket's name."""
    client: Client | None = None
    """The viewer; None before it is known."""
    channel: tuple[int, int] | None = None
    """Type and id of the channel; None before it is known."""
    reason: str = ""
    """Why it was disconnected, in words."""
    traffic: Traffic = Traffic()
    """What went over it until now."""


class EventReader:
    """Events since the reader was opened: `async for event in reader`."""

    def __init__(self) -> None:
        self._events: deque[ConnectionEvent] = deque()
        self._filled = trio.lowlevel.ParkingLot()
        self.lost = 0
        """Events that were dropped because nobody read."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ConnectionEvent:
        """Return the next event.

        Cancellation: no event is lost.
        """
        await trio.lowlevel.checkpoint()
        while not self._events:
            await self._filled.park()
        return self._events.popleft()

    def put(self, event: ConnectionEvent) -> None:
        """Leave an event; the oldest goes if there are too many."""
        if len(self._events) >= QUEUE_LENGTH:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._filled.unpark()


class Events:
    """Passes events to all readers there are."""

    def __init__(self) -> None:
        self._readers: list[EventReader] = []

    def put(self, event: ConnectionEvent) -> None:
        """Tell all readers."""
        for reader in self._readers:
            reader.put(event)

    @contextmanager
    def opened(self) -> Iterator[EventReader]:
        """Be a reader while the block runs."""
        reader = EventReader()
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)
