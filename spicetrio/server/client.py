"""A viewer: the nursery in which all its channels live (threading note: Client and ChannelClient)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
from trio_util import AsyncValue

from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire.enums import MouseMode

logger: Final = logging.getLogger("spicetrio.client")


class Client:
    """One viewer, from its main connection to the end of it.

    Nothing ends a viewer but its scope: the task of its main connection opened it, and everything else that serves
    this viewer runs inside. Nobody needs to be told in which order to stop.
    """

    def __init__(self, connection_id: int, peer: str, ticket: Ticket, nursery: trio.Nursery) -> None:
        self.connection_id = connection_id
        """Random and not 0; the viewer's other connections name it (spec L-24)."""
        self.peer = peer
        """Its address, or `unix`."""
        self.ticket = ticket
        """What it proved itself with; each of its connections needs the same."""
        self.nursery: Final = nursery
        self.channels: Final[set[tuple[int, int]]] = set()
        """Types and ids of the channels that are connected, or about to be."""
        self.dictionaries: Final[set[int]] = set()
        """Ids of the GLZ dictionaries that a display has used: their images are numbered once."""
        self.mouse_mode: Final[AsyncValue[MouseMode]] = AsyncValue(MouseMode.SERVER)
        """How this viewer's pointer moves. The modes of viewers are independent of each other."""
        self.latency: float | None = None
        """Seconds of the shortest round trip seen; None before the first."""
        self.goodbye = ""
        """The reason that is told to the person at the viewer when its scope is cancelled."""
        self.reason = ""
        """Why this viewer ended, for its connections that end only because it does."""

    def __repr__(self) -> str:
        name = f" {self.ticket.name!r}" if self.ticket.name else ""
        return f"<Client {self.connection_id:#010x}{name} from {self.peer}>"

    @property
    def role(self) -> Role:
        """What this viewer may do."""
        return self.ticket.role

    def end(self, reason: str = "") -> None:
        """Cancel everything that serves this viewer; what was begun is still sent, and the reason.

        Returns at once. Who wants to wait, waits until it is gone from `Server.clients`. The first reason stands.

        Args:
            reason: A line for the person at the viewer; empty to say nothing.
        """
        if not self.nursery.cancel_scope.cancel_called:
            self.goodbye = reason
            self.reason = self.reason or f"the server ended it: {reason}".removesuffix(": ")
        self.nursery.cancel_scope.cancel()


class Clients:
    """The viewers of a server."""

    def __init__(self) -> None:
        self.current: Final = AsyncValue[tuple[Client, ...]](())
        """Those whose main connection is served now, oldest first."""

    def find(self, connection_id: int) -> Client | None:
        """Return the viewer with this connection id."""
        return next((client for client in self.current.value if client.connection_id == connection_id), None)

    @asynccontextmanager
    async def open(self, peer: str, ticket: Ticket) -> AsyncIterator[Client]:
        """Be a viewer while the block runs; leaving it, for whatever reason, ends all its channels.

        Cancellation: ends the viewer.
        """
        async with trio.open_nursery() as nursery:
            client = Client(self._new_id(), peer, ticket, nursery)
            self.current.value = (*self.current.value, client)
            try:
                yield client
            finally:
                self.current.value = tuple(other for other in self.current.value if other is not client)
                nursery.cancel_scope.cancel()

    def _new_id(self) -> int:
        while True:
            connection_id = secrets.randbits(32)
            if connection_id and self.find(connection_id) is None:
                return connection_id
