"""A SPICE client for tests: it speaks the protocol with the same structures, from the other end, on Trio.

It keeps a picture like a real client does, so a test can compare it with what was drawn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from spicetrio.wire import base, cursor, display, inputs, main, playback, port, record, smartcard, stream, vmc
from spicetrio.wire.buffer import Message, ReadBuffer
from spicetrio.wire.enums import (
    AuthMechanism,
    ChannelType,
    CommonCapability,
    DisplayCapability,
    MainCapability,
    PlaybackCapability,
    RecordCapability,
)
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import Capabilities, LinkHeader, LinkMessage, LinkReply, with_header
from tests.screen import Screen

MODERN = Capabilities({CommonCapability.AUTH_SELECTION, CommonCapability.AUTH_SPICE, CommonCapability.MINI_HEADER})
FULL_HEADER = Capabilities({CommonCapability.AUTH_SELECTION, CommonCapability.AUTH_SPICE})
CAPS_LESS = Capabilities()
CHANNEL_CAPABILITIES = {
    ChannelType.MAIN: Capabilities({MainCapability.NAME_AND_UUID}),
    ChannelType.DISPLAY: Capabilities({DisplayCapability.MONITORS_CONFIG, DisplayCapability.LZ4_COMPRESSION}),
    ChannelType.PLAYBACK: Capabilities(
        {PlaybackCapability.VOLUME, PlaybackCapability.LATENCY, PlaybackCapability.OPUS}
    ),
    ChannelType.RECORD: Capabilities({RecordCapability.VOLUME, RecordCapability.OPUS}),
}
SERVER_MESSAGES: dict[int, dict[int, type[Message]]] = {
    ChannelType.MAIN: {**base.SERVER_MESSAGES, **main.SERVER_MESSAGES},
    ChannelType.DISPLAY: {**base.SERVER_MESSAGES, **display.SERVER_MESSAGES},
    ChannelType.CURSOR: {**base.SERVER_MESSAGES, **cursor.SERVER_MESSAGES},
    ChannelType.INPUTS: {**base.SERVER_MESSAGES, **inputs.SERVER_MESSAGES},
    ChannelType.SMARTCARD: {**base.SERVER_MESSAGES, **smartcard.SERVER_MESSAGES},
    ChannelType.USBREDIR: {**base.SERVER_MESSAGES, **vmc.SERVER_MESSAGES},
    ChannelType.PORT: {**base.SERVER_MESSAGES, **vmc.SERVER_MESSAGES, **port.SERVER_MESSAGES},
    ChannelType.WEBDAV: {**base.SERVER_MESSAGES, **vmc.SERVER_MESSAGES, **port.SERVER_MESSAGES},
    ChannelType.PLAYBACK: {**base.SERVER_MESSAGES, **playback.SERVER_MESSAGES},
    ChannelType.RECORD: {**base.SERVER_MESSAGES, **record.SERVER_MESSAGES},
}
assert stream  # its messages are in display's table


class RefusedError(Exception):
    """The server refused the link."""

    def __init__(self, code: int, *, in_reply: bool) -> None:
        super().__init__(code, in_reply)
        self.code = code
        self.in_reply = in_reply


async def read_exactly(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        some = await stream.receive_some(size - len(data))
        if not some:
            raise EOFError(f"the server closed after {len(data)} of {size} bytes")
        data += some
    return bytes(data)


def encrypt(public_key: bytes, password: str) -> bytes:
    key = load_der_public_key(public_key)
    assert isinstance(key, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return key.encrypt(password.encode() + b"\0", oaep)


class PeerChannel:
    """One connection of a viewer."""

    def __init__(self, stream: trio.abc.Stream, channel_type: int, framing: Framing) -> None:
        self.stream = stream
        self.type = channel_type
        self.framing = framing
        self.ack_window = 0
        self.unacknowledged = 0
        self.acknowledge = True
        self.answer_pings = True
        self.received = 0

    async def send(self, *messages: Message) -> None:
        await self.stream.send_all(b"".join(buffer for message in messages for buffer in self.framing.send(message)))

    async def receive(self) -> Message:
        """Return the next message, having acknowledged it and answered pings."""
        while (frame := self.framing.next_message()) is None:
            data = await self.stream.receive_some(1 << 20)
            if not data:
                raise EOFError("the server closed")
            self.framing.receive_data(data)
            self.received += len(data)
        message = SERVER_MESSAGES[self.type][frame.type].pull(ReadBuffer(frame.body))
        await self._acknowledge(message)
        return message

    async def _acknowledge(self, message: Message) -> None:
        if isinstance(message, base.SetAck):
            self.ack_window, self.unacknowledged = message.window, 0
            await self.send(base.AckSync(message.generation))
            return
        self.unacknowledged += 1
        if self.acknowledge and self.ack_window and self.unacknowledged >= self.ack_window:
            self.unacknowledged = 0
            await self.send(base.Ack())
        if self.answer_pings and isinstance(message, base.Ping):
            await self.send(base.Pong(message.id, message.timestamp))


async def link(
    stream: trio.abc.Stream,
    channel_type: int,
    *,
    channel_id: int = 0,
    connection_id: int = 0,
    password: str = "",
    common: Capabilities = MODERN,
    capabilities: Capabilities | None = None,
    mechanism: int = AuthMechanism.SPICE,
) -> PeerChannel:
    """Go through the link stage as a client."""
    if capabilities is None:
        capabilities = CHANNEL_CAPABILITIES.get(ChannelType(channel_type), Capabilities()) if common else Capabilities()
    message = LinkMessage(connection_id, channel_type, channel_id, common, capabilities)
    await stream.send_all(with_header(message))
    header = LinkHeader.pull(ReadBuffer(await read_exactly(stream, 16)))
    reply = LinkReply.pull(ReadBuffer(await read_exactly(stream, header.size)))
    if reply.error:
        raise RefusedError(reply.error, in_reply=True)
    if CommonCapability.AUTH_SELECTION in common:
        await stream.send_all(mechanism.to_bytes(4, "little"))
    await stream.send_all(encrypt(reply.public_key, password))
    code = int.from_bytes(await read_exactly(stream, 4), "little")
    if code:
        raise RefusedError(code, in_reply=False)
    mini = CommonCapability.MINI_HEADER in common
    return PeerChannel(stream, channel_type, Framing(mini=mini, limits=None))


class Viewer:
    """A viewer with its main connection, on which it attaches the others."""

    def __init__(self, connect: Callable[[], Any], password: str, common: Capabilities) -> None:
        self._connect = connect
        self._password = password
        self._common = common
        self.main: PeerChannel
        self.init: main.Init
        self.screen = Screen()

    async def open(
        self,
        channel_type: int,
        channel_id: int = 0,
        *,
        connection_id: int | None = None,
        capabilities: Capabilities | None = None,
    ) -> PeerChannel:
        stream = await self._connect()
        try:
            return await link(
                stream,
                channel_type,
                channel_id=channel_id,
                connection_id=self.init.session_id if connection_id is None else connection_id,
                password=self._password,
                common=self._common,
                capabilities=capabilities,
            )
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise

    async def open_display(self, channel_id: int = 0, *, capabilities: Capabilities | None = None) -> PeerChannel:
        channel = await self.open(ChannelType.DISPLAY, channel_id, capabilities=capabilities)
        await channel.send(display.Init(1, 1 << 20, 1, 1 << 20))
        return channel

    async def watch(self, channel: PeerChannel, until: Callable[[Screen], bool]) -> Screen:
        """Draw what comes until the picture is as wanted."""
        while not until(self.screen):
            self.screen.handle(await channel.receive())
        return self.screen


@asynccontextmanager
async def open_viewer(
    connect: Callable[[], Any],
    *,
    password: str = "",
    common: Capabilities = MODERN,
    capabilities: Capabilities | None = None,
) -> AsyncIterator[Viewer]:
    """Be a viewer while the block runs; only its main connection is closed at the end."""
    viewer = Viewer(connect, password, common)
    stream = await connect()
    async with stream:
        viewer.main = await link(stream, ChannelType.MAIN, password=password, common=common, capabilities=capabilities)
        message = await viewer.main.receive()
        assert isinstance(message, main.Init)
        viewer.init = message
        yield viewer
