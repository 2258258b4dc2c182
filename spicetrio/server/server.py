"""The root of the ownership tree: accepts connections and leads each to its viewer and channel.

A connection is served by the task that accepted it until it has proved itself. A main connection then opens its
viewer's nursery and is served right there; any other goes on as a task in the nursery of the viewer it names. An error
leaves each of these by way of `_boundary`, where it is logged and ends: no viewer notices the fault of another.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import trio
from trio_util import AsyncValue

from spicetrio.server.channel import Channel
from spicetrio.server.client import Client, Clients
from spicetrio.server.link import Link, accept_link
from spicetrio.server.listeners import address, peer_of, prepare
from spicetrio.server.security import Gatekeeper, KeyPool
from spicetrio.server.settings import Settings
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.errors import (
    BadConnectionIdError,
    ChannelNotAvailableError,
    LinkError,
    PermissionDeniedError,
    RemoteProtocolError,
)
from spicetrio.wire.link import Capabilities, LinkMessage, result

logger: Final = logging.getLogger("spicetrio.server")

ChannelT = TypeVar("ChannelT", bound=Channel[Any])


class HalfOpen:
    """Connections that did not prove themselves yet, oldest first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scopes: dict[trio.CancelScope, str] = {}

    @contextmanager
    def counted(self, scope: trio.CancelScope, peer: str) -> Iterator[None]:
        """Count a connection while the block runs; one too many cancels the scope of the oldest."""
        of_peer = [scope for scope, other in self._scopes.items() if other == peer]
        if len(of_peer) >= self._settings.max_half_open_per_peer:
            self._drop(of_peer[0])
        elif len(self._scopes) >= self._settings.max_half_open:
            self._drop(next(iter(self._scopes)))
        self._scopes[scope] = peer
        try:
            yield
        finally:
            self._scopes.pop(scope, None)

    def _drop(self, scope: trio.CancelScope) -> None:
        """Make room. It is forgotten at once: before its task runs again, more connections may come."""
        del self._scopes[scope]
        scope.cancel()


class BaseServer:
    """Channels, viewers and the connections between them. `spicetrio.Server` adds the kinds of channels.

    Args:
        settings: How to serve.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        """How this server serves."""
        self.addresses: tuple[str, ...] = ()
        """Where it listens, as URIs, such as `spice://127.0.0.1:5900`."""
        self._clients = Clients()
        self._channels: dict[tuple[int, int], Channel[Any]] = {}
        self._keys = KeyPool()
        self._gatekeeper = Gatekeeper(settings)
        self._half_open = HalfOpen(settings)

    @property
    def viewers(self) -> AsyncValue[tuple[Client, ...]]:
        """The viewers that are there now, oldest first; a value that can be waited on."""
        return self._clients.current

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
        with _boundary(peer):
            async with stream:
                await self._link(stream, peer)

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
            if listeners:
                await nursery.start(trio.serve_listeners, self._accept, listeners)
            task_status.started()

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            prepare(stream)
        except OSError:  # it is gone already
            return
        await self.serve_stream(stream, peer=peer_of(stream))

    async def _link(self, stream: trio.abc.Stream, peer: str) -> None:
        link: Link | None = None
        with trio.move_on_after(self.settings.link_timeout) as scope, self._half_open.counted(scope, peer):
            link = await accept_link(
                stream, peer=peer, find=self._find_capabilities, keys=self._keys, gatekeeper=self._gatekeeper
            )
        if link is None:
            why = "took too long" if trio.current_time() >= scope.deadline else "had to make room"
            logger.info("refused %s: its link %s", peer, why)
            return
        try:
            if link.message.channel_type == ChannelType.MAIN:
                client = None
                channel = self._new_viewer(link)
            else:
                client = self._find_client(link.message.connection_id)
                channel = self._claim(client, link.message)
        except LinkError as error:
            with trio.move_on_after(self.settings.grace):
                await stream.send_all(result(error.code))
            raise
        if client is None:
            await self._serve_viewer(channel, link)
        else:
            scope, done = trio.CancelScope(), trio.Event()
            client.nursery.start_soon(self._serve_channel, channel, client, link, scope, done)
            try:
                await done.wait()
            finally:  # our caller closes the stream, which must not cut short what is still being sent
                scope.cancel()
                with trio.CancelScope(shield=True):
                    await done.wait()

    async def _serve_viewer(self, channel: Channel[Any], link: Link) -> None:
        async with self._clients.open(link.peer) as client:
            client.channels.add(channel.key)
            logger.info("%r came", client)
            try:
                await channel.serve(client, link)
            finally:
                logger.info("%r left", client)

    async def _serve_channel(
        self, channel: Channel[Any], client: Client, link: Link, scope: trio.CancelScope, done: trio.Event
    ) -> None:
        """Serve a connection as a task of its viewer, which a failure ends if the channel is essential."""
        try:
            with scope:
                if channel.ESSENTIAL:
                    await channel.serve(client, link)
                else:
                    with _boundary(link.peer):
                        await channel.serve(client, link)
        finally:
            done.set()

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

    def _find_client(self, connection_id: int) -> Client:
        client = self._clients.find(connection_id)
        if client is None:
            raise BadConnectionIdError(f"got connection id {connection_id:#010x}, which no viewer has")
        return client

    def _new_viewer(self, link: Link) -> Channel[Any]:
        if link.message.connection_id:
            raise BadConnectionIdError(
                "got a connection id for a main channel, expected 0 as nothing was migrated here"
            )
        if len(self.viewers.value) >= self.settings.max_viewers:
            raise PermissionDeniedError(f"{self.settings.max_viewers} viewers are here already")
        return self._find_channel(link.message)

    def _claim(self, client: Client, message: LinkMessage) -> Channel[Any]:
        """Return the channel for a viewer that does not have it yet; from now on it has."""
        channel = self._find_channel(message)
        if channel.key in client.channels:
            raise ChannelNotAvailableError(f"{client!r} has {channel!r} already")
        client.channels.add(channel.key)
        return channel


@contextmanager
def _boundary(peer: str) -> Iterator[None]:
    """Log what went wrong with a peer, and let nobody else notice."""
    try:
        yield
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        logger.info("the peer %s left", peer)
    except* LinkError as group:
        for error in _leaves(group):
            logger.info("refused %s: %s", peer, error)
    except* RemoteProtocolError as group:
        for error in _leaves(group):
            logger.warning("ended the viewer at %s: %s", peer, error)
    except* Exception:
        logger.exception("ended the viewer at %s: a fault of ours", peer)


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
