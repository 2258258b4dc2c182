"""A stream display on a whole server, and viewers that watch it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import spicetrio
from spicetrio import VideoCodec
from spicetrio.wire import base, display, stream
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, DisplayCapability
from spicetrio.wire.link import Capabilities
from tests.channels.stage import Stage, open_stage, receive, until
from tests.peer import PeerChannel

INIT = display.Init(1, 1 << 20, 1, 1 << 20)
OLD = Capabilities()
MODERN = Capabilities(
    {
        DisplayCapability.MONITORS_CONFIG,
        DisplayCapability.STREAM_REPORT,
        DisplayCapability.MULTI_CODEC,
        DisplayCapability.CODEC_MJPEG,
        DisplayCapability.CODEC_VP8,
        DisplayCapability.CODEC_H264,
    }
)
CODECS = (VideoCodec.H264, VideoCodec.VP8, VideoCodec.MJPEG)
"""What a modern viewer can show, in the order in which it is asked for."""


def key(name: object, size: int = 0) -> bytes:
    """A frame of H264 that stands alone."""
    return b"\0\0\1\x65" + str(name).encode() + bytes(size)


def delta(name: object, size: int = 0) -> bytes:
    """A frame of H264 that needs the one before."""
    return b"\0\0\1\x41" + str(name).encode() + bytes(size)


@dataclass(eq=False)
class Watcher:
    """One viewer's connection to the display."""

    channel: PeerChannel

    async def next(self) -> Message:
        while isinstance(message := await self.channel.receive(), base.SetAck | base.Ping):
            pass
        return message

    async def names(self, count: int) -> list[str]:
        """What the next messages are called."""
        return [type(await self.next()).__name__ for _ in range(count)]

    async def frame(self) -> bytes:
        return bytes((await receive(self.channel, stream.StreamData)).data)

    async def frames(self, count: int) -> list[bytes]:
        return [await self.frame() for _ in range(count)]

    async def begin(self) -> None:
        """Read until a stream has begun."""
        await receive(self.channel, stream.StreamActivateReport)


@dataclass
class Cinema:
    stage: Stage
    display: spicetrio.StreamDisplay

    @asynccontextmanager
    async def watcher(self, capabilities: Capabilities = MODERN) -> AsyncIterator[Watcher]:
        """Watch while the block runs: from when INIT was taken in until the server knows that the viewer has left."""
        server = self.stage.server
        async with self.stage.viewer() as viewer:
            channel = await viewer.open(ChannelType.DISPLAY, self.display.id, capabilities=capabilities)
            number = self.display.request.value.number
            await channel.send(INIT)
            await self.display.request.wait_value(lambda request: request.number > number)
            async with channel.stream:
                yield Watcher(channel)
        await until(lambda: all(client.connection_id != viewer.init.session_id for client in server.clients.value))

    async def write(self, *frames: bytes) -> None:
        for frame in frames:
            await self.display.write(frame)

    async def idle(self) -> None:
        """Wait until every viewer could be sent a frame."""
        await until(lambda: all(client._credit for client in self.display.clients))


@asynccontextmanager
async def open_cinema(**changes: Any) -> AsyncIterator[Cinema]:
    async with open_stage(**changes) as stage, stage.server.open_stream_display() as shown:
        yield Cinema(stage, shown)
