"""The root of the ownership tree: accepts connections and leads each to its viewer and channel.

A connection is served by the task that accepted it until it has proved itself. A main connection then opens its
viewer's nursery and is served right there; any other goes on as a task in the nursery of the viewer it names. An error
leaves each of these by way of `Connection.boundary`, where it is logged and ends: no viewer notices another's fault.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from itertools import count
from typing import Any, Final, TypeVar

import trio
from trio_util import AsyncValue

from spicetrio.server.channel import Channel
from spicetrio.server.client import Client, Clients
from spicetrio.server.connection import Connection
from spicetrio.server.events import EventReader, Events
from spicetrio.server.link import Link, accept_link
from spicetrio.server.listeners import address, peer_of, prepare
from spicetrio.server.security import Gatekeeper, KeyPool
from spicetrio.server.settings import Settings, WhenFull
from spicetrio.server.statistics import LoopWatch, Statistics
from spicetrio.server.tickets import Role, Ticket
from spicetrio.server.turns import Turns, TurnStream
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.errors import (
    BadConnectionIdError,
    ChannelNotAvailableError,
    LinkError,
    PermissionDeniedError,
)
from spicetrio.wire.link import Capabilities, LinkMessage, result

logger: Final = logging.getLogger("spicetrio.server")

ChannelT = TypeVar("ChannelT", bound=Channel[Any])


class HalfOpen:
    """Connections that did not prove themselves yet, oldest first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scopes: dict[trio.CancelScope, str] = {}

    def __len__(self) -> int:
        return len(self._scopes)

    @contextmanager
    def counted(self, scope: trio.CancelScope, peer: str) -> Iterator[None]:
        """Count a connection while the block runs; one too many cancels the scope of the oldest."""
        of_peer = [scope for scope, other in self._scopes.items() if other == peer]
        if len(of_peer) >= self._settings.max_half_open_per_peer:
            self._drop(of_peer[0])
        elif len(self._scopes) >= self._settings.max_half_open:
            # Those of the peer that has most: whoever floods pushes out its own.
            busiest = Counter(self._scopes.values()).most_common(1)[0][0]
            self._drop(next(scope for scope, other in self._scopes.items() if other == busiest))
        self._scopes[scope] = peer
        try:
            yield
        finally:
            self._scopes.pop(scope, None)

    def _drop(self, scope: trio.CancelScope) -> None:
        """Make room. It is forgotten at once: before its task runs again, more connections may come."""
        del self._scopes[scope]
        scope.cancel()


class _Served:
    """What the task that accepted a connection has of the task that serves it."""

    def __init__(self) -> None:
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in the block."""
        try:
            with self._scope:
                yield
        finally:
            self._done.set()

    async def wait(self) -> None:
        """Return when it is served.

        Cancellation: ends the serving too. The stream is closed by who waits here, so this waits until the writer is
        done with it, which is bounded by `Settings.grace`.
        """
        try:
            await self._done.wait()
        finally:
            self._scope.cancel()
            with trio.CancelScope(shield=True):
                await self._done.wait()


class BaseServer:
    """Channels, viewers and the connections between them. `spicetrio.Server` adds the kinds of channels.

    Args:
        settings: How to serve.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Final[Settings] = settings
        """How this server serves."""
        self.addresses: tuple[str, ...] = ()
        """Where it listens, as URIs, such as `spice://127.0.0.1:5900`."""
        self._clients = Clients()
        self._channels: dict[tuple[int, int], Channel[Any]] = {}
        self._keys = KeyPool()
        self._gatekeeper = Gatekeeper(settings)
        self._half_open = HalfOpen(settings)
        self._events = Events()
        self._connections = count(1)
        self._loop = LoopWatch()
        self._turns = Turns()
        self._drains = 0

    @property
    def clients(self) -> AsyncValue[tuple[Client, ...]]:
        """The viewers that are there now, oldest first; a value that can be waited on."""
        return self._clients.current

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Those that are good now. Others may be set at any time: they count for links from then on (spec L-30).

        Viewers stay, but each further channel that they open is a link as well.

        Raises:
            ValueError: Set although nobody is asked for a ticket.
        """
        return self._gatekeeper.tickets

    @tickets.setter
    def tickets(self, tickets: Sequence[Ticket]) -> None:
        if self.settings.disable_ticketing:
            raise ValueError("ticketing is disabled: nobody would be asked for a ticket")
        self._gatekeeper.tickets = tuple(tickets)

    def events(self) -> AbstractContextManager[EventReader]:
        """Return a block in which all that happens to connections can be read: `with server.events() as events`."""
        return self._events.opened()

    def statistics(self) -> Statistics:
        """Return figures about this moment."""
        return Statistics(
            viewers=len(self.clients.value),
            half_open=len(self._half_open),
            connections=tuple(client.statistics for channel in self._channels.values() for client in channel.clients),
            lateness=self._loop.lateness,
            tasks=trio.lowlevel.current_statistics().tasks_living,
        )

    async def drain(self) -> None:
        """Refuse new viewers from now on, and return when those who are here have left.

        Cancellation: new viewers are let in again.
        """
        self._drains += 1
        try:
            await self.clients.wait_value(lambda clients: not clients)
        except BaseException:
            self._drains -= 1
            raise

    @property
    def channels(self) -> Sequence[tuple[int, int]]:
        """Types and ids of all channels there are."""
        return tuple(self._channels)

    @asynccontextmanager
    async def channel_opened(self, channel: ChannelT) -> AsyncIterator[ChannelT]:
        """Let viewers have a channel while the block runs.

        Cancellation: ends the block; see `Channel.opened`.

        Raises:
            ValueError: There is a channel of this type and id already.
        """
        if channel.key in self._channels:
            raise ValueError(f"there is a channel {channel!r} already")
        async with channel.opened():
            self._channels[channel.key] = channel
            self.channels_changed(added=channel)
            try:
                yield channel
            finally:
                del self._channels[channel.key]
                self.channels_changed()

    def channels_changed(self, *, added: Channel[Any] | None = None) -> None:
        """Take in that there is another set of channels."""

    async def serve_stream(self, stream: trio.abc.Stream, *, peer: str = "unknown") -> None:
        """Serve a connection from elsewhere, such as a passed descriptor, until it ends. It is closed then.

        Nothing that the peer does raises an error here; it is logged.

        Cancellation: ends the connection, and with a main connection its viewer.
        """
        connection = Connection(next(self._connections), peer, self._events)
        with connection.opened(), connection.boundary():
            async with stream:
                await self._link(TurnStream(stream, self._turns), connection)

    async def run(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve those who connect until cancelled. Then every viewer is told goodbye, within `Settings.grace`.

        Args:
            listeners: Where viewers connect. They are closed when this is cancelled, before the viewers are.
        """
        self.addresses = tuple(address(listener) for listener in listeners)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keys.run)
            nursery.start_soon(self._loop.run)
            if listeners:
                await nursery.start(trio.serve_listeners, self._accept, listeners)
            task_status.started()

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            prepare(stream)
        except OSError:  # it is gone already
            return
        await self.serve_stream(stream, peer=peer_of(stream))

    async def _link(self, stream: trio.abc.Stream, connection: Connection) -> None:
        link: Link | None = None
        peer = connection.peer
        with trio.move_on_after(self.settings.link_timeout) as scope, self._half_open.counted(scope, peer):
            link = await accept_link(
                stream, peer=peer, find=self._find_capabilities, keys=self._keys, gatekeeper=self._gatekeeper
            )
        if link is None:
            late = trio.current_time() >= scope.deadline
            connection.refused("its link took too long" if late else "its link had to make room")
            return
        connection.authenticated(link)
        try:
            if link.message.channel_type == ChannelType.MAIN:
                client = None
                channel = await self._admit(link)
            else:
                client = self._find_client(link)
                channel = self._claim(client, link.message)
        except LinkError as error:
            with trio.move_on_after(self.settings.grace):
                await stream.send_all(result(error.code))
            raise
        if client is None:
            await self._serve_viewer(channel, link, connection)
        else:
            served = _Served()
            client.nursery.start_soon(
                self._serve_channel, channel, client, link, connection, served, name=f"{channel!r} of {client!r}"
            )
            await served.wait()

    async def _serve_viewer(self, channel: Channel[Any], link: Link, connection: Connection) -> None:
        async with self._clients.open(link.peer, link.ticket) as client:
            client.channels.add(channel.key)
            connection.initialised(client)
            logger.info("%r came", client)
            try:
                # Before the nursery is cancelled: the viewer's other connections are to know the reason.
                with connection.watched(client):
                    if await channel.serve(client, link):
                        connection.closed()
            finally:
                client.reason = client.reason or connection.reason
                logger.info("%r is gone: %s", client, client.reason)

    async def _serve_channel(
        self, channel: Channel[Any], client: Client, link: Link, connection: Connection, served: _Served
    ) -> None:
        """Serve a connection as a task of its viewer, which a failure ends if the channel is essential."""
        connection.initialised(client)
        with (
            served.serving(),
            connection.watched(client) if channel.ESSENTIAL else connection.boundary(),
        ):
            if await channel.serve(client, link):
                connection.closed()

    def _find_capabilities(self, message: LinkMessage) -> Capabilities:
        return self._find_channel(message).capabilities

    def _find_channel(self, message: LinkMessage) -> Channel[Any]:
        """Return the channel that is asked for. There is one main channel, whatever its id (spec L-17)."""
        is_main = message.channel_type == ChannelType.MAIN
        channel = self._channels.get((message.channel_type, 0 if is_main else message.channel_id))
        if channel is None:
            raise ChannelNotAvailableError(
                f"got channel {message.channel_type}:{message.channel_id}, which is not there"
            )
        return channel

    def _find_client(self, link: Link) -> Client:
        """Return the viewer that a connection says it belongs to, and has the ticket of."""
        connection_id = link.message.connection_id
        client = self._clients.find(connection_id)
        if client is None:
            raise BadConnectionIdError(f"got connection id {connection_id:#010x}, which no viewer has")
        if client.ticket != link.ticket:
            raise PermissionDeniedError(f"got another ticket than that of {client!r}")
        return client

    async def _admit(self, link: Link) -> Channel[Any]:
        """Return the main channel, once there is a place for one more viewer."""
        if link.message.connection_id:
            raise BadConnectionIdError(
                "got a connection id for a main channel, expected 0 as nothing was migrated here"
            )
        while len(self.clients.value) >= self.settings.max_viewers and not self._drains:
            # Who may only view ends nobody who controls.
            giving_way = [one for one in self.clients.value if link.ticket.role in (Role.CONTROL, one.role)]
            if self.settings.when_full is WhenFull.REFUSE or not giving_way:
                raise LinkError(f"{self.settings.max_viewers} viewers are here already")
            oldest = giving_way[0]
            oldest.end(f"a viewer at {link.peer} took over")
            await self.clients.wait_value(lambda clients, oldest=oldest: oldest not in clients)
        if self._drains:
            raise LinkError("the server lets nobody in any more")
        return self._find_channel(link.message)

    def _claim(self, client: Client, message: LinkMessage) -> Channel[Any]:
        """Return the channel for a viewer that does not have it yet; from now on it has."""
        channel = self._find_channel(message)
        if channel.key in client.channels:
            raise ChannelNotAvailableError(f"{client!r} has {channel!r} already")
        client.channels.add(channel.key)
        return channel
