"""What all channels have in common: the Channel that the application holds, and the ChannelClient of one viewer.

A ChannelClient is a task in its Client's nursery: it cannot outlive the Client, and it needs no reference count. Its
Channel keeps a list of its ChannelClients, by a context manager around the serving task; nobody else adds or removes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

import trio

from spicetrio.server.client import Client
from spicetrio.server.link import RECEIVE_SIZE, Link
from spicetrio.server.settings import Settings
from spicetrio.server.statistics import ConnectionStatistics
from spicetrio.server.writer import SlowViewerError, Writer, open_writer
from spicetrio.wire import base
from spicetrio.wire.buffer import Message, ReadBuffer
from spicetrio.wire.enums import ChannelType, LinkErrorCode
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import Frame, Framing
from spicetrio.wire.link import Capabilities, result

logger: Final = logging.getLogger("spicetrio.channel")

MESSAGES_AT_A_TIME: Final = 64
"""Messages of one viewer that are handled before others have their turn, however many came at once."""

ClientT = TypeVar("ClientT", bound="ChannelClient[Any]")
ChannelT = TypeVar("ChannelT", bound="Channel[Any]")


@dataclass(frozen=True, slots=True)
class Handler:
    """What happens when a message of one number arrives."""

    message: type[Message]
    """How its body is read."""
    handle: Callable[[Any, Any], Any]
    """The method that is called with it; if it returns an awaitable, that is awaited before the next message."""
    limit: int
    """The largest body, in bytes; checked before anything is allocated (spec F-16)."""


class ChannelClient(Generic[ChannelT]):
    """One viewer's connection to one channel.

    Args:
        channel: What the application holds.
        client: The viewer.
        link: The connection. This object owns its stream.
    """

    HANDLERS: ClassVar[Mapping[int, Handler]] = {}
    """Number to handler, for every message that the viewer may send on this kind of channel."""

    def __init__(self, channel: ChannelT, client: Client, link: Link) -> None:
        self.channel = channel
        self.client = client
        self.capabilities = link.message.channel_capabilities
        self.writer: Writer
        self.live = False
        """Its first messages were posted, and it is not over: the channel may post to it."""
        self._link = link
        self._handling = False
        self._ping_id = 0

    @property
    def settings(self) -> Settings:
        """Those of the server."""
        return self.channel.settings

    @property
    def statistics(self) -> ConnectionStatistics:
        """Figures about this connection."""
        meter, writer = self._link.meter, self.writer
        return ConnectionStatistics(
            self.client, self.channel.key, writer.queued_bytes, writer.peak_bytes, meter.sent, meter.received
        )

    async def serve(self) -> None:
        """Serve the connection until the viewer leaves, breaks the protocol, or this is cancelled.

        Cancellation: a message that was begun is still sent, within `Settings.grace`; then the stream is closed.
        """
        framing = Framing(
            mini=self._link.mini_header, limits={number: handler.limit for number, handler in self.HANDLERS.items()}
        )
        async with self._link.stream as stream:
            await self._send_result(stream)
            async with (
                open_writer(
                    stream,
                    framing,
                    queue_limit=self.settings.queue_limit,
                    grace=self.settings.grace,
                    meter=self._link.meter,
                    on_idle=self.on_idle if self.PULLS else None,
                ) as self.writer,
                trio.open_nursery() as nursery,
            ):
                for task in self.tasks():
                    nursery.start_soon(task)
                with self.connected():
                    self.live = True
                    try:
                        await self._receive(stream, framing)
                    finally:
                        self.live = False
                        # Were an error left to the nursery to do so, it would be in a circle of references.
                        nursery.cancel_scope.cancel()

    async def _send_result(self, stream: trio.abc.SendStream) -> None:
        """Finish the link stage. One that is ended just now is told why all the same, and that comes after this."""
        with trio.move_on_after(self.settings.grace, shield=True) as scope:
            await stream.send_all(result(LinkErrorCode.OK))
        if scope.cancelled_caught:
            raise SlowViewerError("got a viewer that does not read, expected four bytes to be taken")

    PULLS: ClassVar[bool] = False
    """The channel does not queue what it sends, but answers `on_idle`."""

    def on_idle(self) -> None:
        """Take the credit for one batch of messages (see `spicetrio.server.writer`)."""
        raise NotImplementedError

    def tasks(self) -> Sequence[Callable[[], Awaitable[object]]]:
        """Return what runs beside the reading, as tasks of the connection. They begin after `connected` has."""
        return (self._ping,)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Post the first messages, and undo at the end what this viewer has left behind in the channel."""
        yield

    async def _receive(self, stream: trio.abc.ReceiveStream, framing: Framing) -> None:
        data: bytes | bytearray = self._link.received
        while True:
            self._link.meter.received += len(data)
            framing.receive_data(data)
            handled = 0
            while frame := framing.next_message():
                if await self._handle(frame):
                    return
                handled += 1
                if handled % MESSAGES_AT_A_TIME == 0:
                    await trio.lowlevel.checkpoint()
            data = await stream.receive_some(RECEIVE_SIZE)
            if not data:
                return

    async def _handle(self, frame: Frame) -> bool:
        """Handle a message; tell whether it was the last one."""
        handler = self.HANDLERS[frame.type]
        try:
            message = handler.message.pull(ReadBuffer(frame.body))
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"got a wrong {handler.message.__name__}: {error}") from error
        outcome = handler.handle(self, message)
        if outcome is not None:
            self._handling = True
            await outcome
            self._handling = False
        return frame.type == base.ClientDisconnecting.TYPE

    async def _ping(self) -> None:
        """Keep proxies awake, measure the way, and notice when nobody is there any more (spec F-17 to F-22)."""
        interval = self.settings.ping_interval
        meter = self._link.meter
        heard, silent_since = meter.received, trio.current_time()
        while True:
            await trio.sleep(interval)
            now = trio.current_time()
            if heard != meter.received or self._handling:  # while we handle a message, we do not listen
                heard, silent_since = meter.received, now
            elif now - silent_since > self.settings.silence_timeout:
                raise RemoteProtocolError(f"got nothing for {now - silent_since:.0f} s, expected answers to pings")
            self.post_ping()

    def post_ping(self) -> None:
        """Ask for a PONG, which brings the time of this back; in nanoseconds."""
        self._ping_id = (self._ping_id + 1) & 0xFFFFFFFF
        self.writer.post(base.Ping(self._ping_id, _nanoseconds()))

    def _pong(self, message: base.Pong) -> None:
        if message.id != self._ping_id:
            return  # not the last one: its timestamp may be of another round (spec F-19)
        round_trip = max(0, _nanoseconds() - message.timestamp) / 1e9
        before = self.client.latency
        self.client.latency = round_trip if before is None else min(before, round_trip)

    def _ack_sync(self, message: base.AckSync) -> None:
        self.writer.ack_synced(message.generation)

    def _ack(self, message: base.Ack) -> None:
        self.writer.acknowledged()

    def _disconnecting(self, message: base.ClientDisconnecting) -> None:
        logger.info("%r says goodbye to %r, reason %d", self.client, self.channel, message.reason)

    def _unexpected(self, message: Message) -> None:
        raise RemoteProtocolError(f"got {type(message).__name__}, which nobody asked for")


BASE_HANDLERS: Final[Mapping[int, Handler]] = {
    base.AckSync.TYPE: Handler(base.AckSync, ChannelClient._ack_sync, 64),
    base.Ack.TYPE: Handler(base.Ack, ChannelClient._ack, 64),
    base.Pong.TYPE: Handler(base.Pong, ChannelClient._pong, 64),
    base.MigrateFlushMark.TYPE: Handler(base.MigrateFlushMark, ChannelClient._unexpected, 64),
    base.ClientMigrateData.TYPE: Handler(base.ClientMigrateData, ChannelClient._unexpected, 64),
    base.ClientDisconnecting.TYPE: Handler(base.ClientDisconnecting, ChannelClient._disconnecting, 64),
}
"""What every channel understands. MIGRATE_FLUSH_MARK and MIGRATE_DATA answer a request, so unasked they are wrong."""


class Channel(Generic[ClientT]):
    """What the application holds of a channel, and where viewers find it.

    Args:
        channel_id: Which of the channels of its type.
        settings: Those of the server.
    """

    TYPE: ClassVar[ChannelType]
    ESSENTIAL: ClassVar[bool] = True
    """A failure of one viewer's connection to this channel ends that viewer, not only the connection."""

    def __init__(self, channel_id: int, settings: Settings) -> None:
        self.id: Final = channel_id
        """Which of the channels of its type."""
        self.settings: Final = settings
        self._clients: dict[ClientT, trio.CancelScope] = {}
        self._idle = trio.Event()
        self._idle.set()
        self._open = False

    def __repr__(self) -> str:
        return f"<{self.TYPE.name.lower()}[{self.id}]>"

    @property
    def key(self) -> tuple[int, int]:
        """Its type and id, by which viewers ask for it."""
        return (int(self.TYPE), self.id)

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities()

    @property
    def clients(self) -> tuple[ClientT, ...]:
        """The viewers' connections to this channel, from their first message on."""
        return tuple(client for client in self._clients if client.live)

    def make_client(self, client: Client, link: Link) -> ClientT:
        """Make the object that serves one connection."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Take viewers while the block runs; at its end wait until all their connections to this channel are closed.

        Cancellation: ends the block in the same way. The wait is bounded by `Settings.grace`.
        """
        self._open = True
        try:
            yield self
        finally:
            self._open = False
            for scope in self._clients.values():
                scope.cancel()
            with trio.CancelScope(shield=True):
                await self._idle.wait()

    async def serve(self, client: Client, link: Link) -> bool:
        """Serve a viewer's connection until it ends; the end of this channel is a quiet end of the connection.

        The caller has added `key` to `Client.channels`, which keeps a second connection out from that moment on.

        Returns:
            Whether it was the end of this channel that ended it.

        Cancellation: see `ChannelClient.serve`.
        """
        channel_client = self.make_client(client, link)
        with trio.CancelScope() as scope:
            self._clients[channel_client] = scope
            self._idle = trio.Event() if self._idle.is_set() else self._idle
            if not self._open:
                scope.cancel()
            try:
                await channel_client.serve()
            finally:
                client.channels.discard(self.key)
                del self._clients[channel_client]
                if not self._clients:
                    self._idle.set()
        return scope.cancelled_caught


def _nanoseconds() -> int:
    return int(trio.current_time() * 1e9)
