"""Viewers from the other end: peers that keep every byte they are sent, so that it can be read again at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from spicetrio.wire import base, display, main
from spicetrio.wire.buffer import Message, ReadBuffer
from spicetrio.wire.enums import ChannelType, CommonCapability, MouseMode
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import HEADER_SIZE, Capabilities, LinkHeader, LinkMessage, LinkReply
from tests.peer import MODERN, SERVER_MESSAGES, PeerChannel, RefusedError, Screen, Viewer, link

GONE = (EOFError, RefusedError, trio.BrokenResourceError, trio.ClosedResourceError)
"""How a peer notices that the server has ended what it was in."""


class Tap(trio.abc.Stream):
    """A peer's end of a connection that keeps what it is sent."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.received = bytearray()
        self.ended = False
        """The server has closed it."""
        self.closed = False
        """This peer has closed it."""
        self._sent = bytearray()
        self._sending = trio.StrictFIFOLock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._sent:
            self._sent += data  # the link message, which says how to read the answer
        async with self._sending:  # a pump answers while others ask
            await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            data = bytes(await self.stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            self.ended = True
            raise
        self.ended = self.ended or not data
        self.received += data
        return data

    async def aclose(self) -> None:
        self.closed = True
        await self.stream.aclose()

    @property
    def link(self) -> LinkMessage:
        """What this peer asked for."""
        return LinkMessage.pull(ReadBuffer(bytes(self._sent[HEADER_SIZE:])))

    def parse(self) -> tuple[list[Message], int]:
        """Read all that came from its first byte; return the messages, and how many bytes of a cut one are left."""
        if len(self.received) < HEADER_SIZE or not self._sent:
            return [], len(self.received)
        header = LinkHeader.pull(ReadBuffer(bytes(self.received[:HEADER_SIZE])))
        end = HEADER_SIZE + header.size
        if len(self.received) < end:
            return [], len(self.received)
        reply = LinkReply.pull(ReadBuffer(bytes(self.received[HEADER_SIZE:end])))
        rest = self.received[end:]
        if reply.error or not rest:
            assert not rest, "there are bytes after a refusal"
            return [], 0
        if len(rest) < 4:
            return [], len(rest)
        if int.from_bytes(rest[:4], "little"):
            assert len(rest) == 4, "there are bytes after a refusal"
            return [], 0
        return self._messages(bytes(rest[4:]))

    def _messages(self, data: bytes) -> tuple[list[Message], int]:
        wanted = self.link
        mini = CommonCapability.MINI_HEADER in wanted.common_capabilities
        known = SERVER_MESSAGES[wanted.channel_type]
        framing = Framing(mini=mini, limits=dict.fromkeys(known, 1 << 30))
        framing.receive_data(data)
        messages, size = [], 0
        while frame := framing.next_message():
            message = known[frame.type].pull(ReadBuffer(frame.body))
            messages.append(message)
            assert frame.serial == len(messages), f"message {len(messages)} has the serial {frame.serial}"
            size += (6 if mini else 18) + memoryview(frame.body).nbytes
        return messages, len(data) - size


class Pump:
    """Reads a connection to its end, answering as a viewer does."""

    def __init__(self, channel: PeerChannel, handle: Callable[[Message], None] | None = None) -> None:
        self.channel = channel
        self.ended = trio.Event()
        self._handle = handle
        self._news = trio.lowlevel.ParkingLot()
        self._seen: list[type[Message]] = []

    async def run(self) -> None:
        """Read until somebody closes the connection."""
        try:
            while True:
                message = await self.channel.receive()
                self._seen.append(type(message))
                if self._handle:
                    self._handle(message)
                self._news.unpark_all()
        except GONE:
            await self._read_rest()
        finally:
            self.ended.set()
            self._news.unpark_all()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what messages bring about."""
        while not condition():
            assert not self.ended.is_set(), f"the connection was closed before {what}"
            await self._news.park()

    async def answers(self) -> None:
        """Check that this main connection is served."""
        before = self._seen.count(main.MouseModeMessage)
        await self.channel.send(main.MouseModeRequest(MouseMode.SERVER))
        await self.until(lambda: self._seen.count(main.MouseModeMessage) > before, "an answer")

    async def _read_rest(self) -> None:
        """An ACK that cannot be sent any more does not mean that all was read."""
        try:
            while await self.channel.stream.receive_some(1 << 20):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


class Guest(Viewer):
    """One viewer. Its connections stay open until it leaves."""

    def __init__(self, connect: Callable[[], Any], *, password: str = "", common: Capabilities = MODERN) -> None:
        super().__init__(self._connect_tapped, password, common)
        self._connect_plain = connect
        self.taps: list[Tap] = []
        self.channels: list[PeerChannel] = []
        self.screens: dict[PeerChannel, Screen] = {}
        """Of the displays for which it has sent INIT."""
        self.pumps: dict[PeerChannel, Pump] = {}

    async def come(self) -> main.Init:
        """Open the main connection and take its INIT."""
        stream = await self._connect_tapped()
        try:
            self.main = await link(stream, ChannelType.MAIN, password=self._password, common=self._common)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        self.channels.append(self.main)
        message = await self.main.receive()
        assert isinstance(message, main.Init)
        self.init = message
        return message

    async def open(self, channel_type: int, channel_id: int = 0, *, connection_id: int | None = None) -> PeerChannel:
        channel = await super().open(channel_type, channel_id, connection_id=connection_id)
        self.channels.append(channel)
        return channel

    async def open_display(self, channel_id: int = 0) -> PeerChannel:
        channel = await self.open(ChannelType.DISPLAY, channel_id)
        self.screens[channel] = Screen()  # before INIT: cancelled in the middle of it, the server may have it
        await channel.send(display.Init(1, 1 << 20, 1, 1 << 20))
        return channel

    async def watch(self, channel: PeerChannel, until: Callable[[Screen], bool]) -> Screen:
        screen = self.screens[channel]
        while not until(screen):
            screen.handle(await channel.receive())
        return screen

    async def list_channels(self) -> set[tuple[int, int]]:
        """Ask for all channels."""
        await self.main.send(main.AttachChannels())
        while not isinstance(message := await self.main.receive(), main.ChannelsList):
            pass
        return {(channel.type, channel.id) for channel in message.channels}

    def pump(self, start: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        """Read all connections from now on, which keeps the pictures current."""
        for channel in self.channels:
            if channel not in self.pumps:
                screen = self.screens.get(channel)
                self.pumps[channel] = Pump(channel, screen.handle if screen else None)
                start(self.pumps[channel].run)

    async def sees(self, truth: bytes) -> None:
        """Wait until every display that it still has shows a picture."""
        for channel, screen in self.screens.items():
            pump = self.pumps[channel]
            if not pump.ended.is_set():
                await pump.until(lambda screen=screen: screen.marked and screen.pixels() == truth, "the last picture")

    async def leave(self) -> None:
        """Close everything."""
        for tap in self.taps:
            await trio.aclose_forcefully(tap)

    async def _connect_tapped(self) -> Tap:
        tap = Tap(await self._connect_plain())
        self.taps.append(tap)
        return tap


def check_bytes(tap: Tap, *, cut: bool, goodbye: str | None) -> None:
    """Check that what came is whole messages, and on a main connection ends as it should.

    Args:
        tap: A connection.
        cut: The last message may be cut.
        goodbye: The reason that must be told before the end; None if there need not be any.
    """
    messages, left = tap.parse()
    if not tap.ended:  # this peer closed it, and may not have read all
        return
    assert cut or not left, f"{left} bytes of a cut message are at the end of {tap.link}"
    if messages and tap.link.channel_type == ChannelType.MAIN and not left:
        assert isinstance(messages[-1], base.Disconnecting), f"the last message is {messages[-1]}"
        notes = [message.text for message in messages if isinstance(message, base.Notify)]
        assert goodbye is None or notes == [goodbye], f"got the notes {notes}"
