"""A display whose pictures come encoded: viewers get one video stream that covers all of it (spec D-6, 3.11).

A viewer is sent a frame at a time, when its connection takes data. What waits for it meanwhile is bounded, and frames
that need others before them are not dropped one by one: either a frame that stands alone takes the place of all that
waits, or all that waits is dropped and the viewer gets nothing more until one comes that stands alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, ClassVar, Final, Self

import trio
from trio_util import AsyncValue

from spicetrio.canvas.backlog import PRIMARY
from spicetrio.channels.clock import multimedia_time
from spicetrio.channels.cursor import Cursor
from spicetrio.channels.display import MAX_SIZE
from spicetrio.channels.keyframes import stands_alone
from spicetrio.channels.pulling import PullingChannelClient
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire import display, stream
from spicetrio.wire.buffer import Marshalled, Message, marshal
from spicetrio.wire.draw import DrawFill
from spicetrio.wire.drawing import DisplayBase, Solid
from spicetrio.wire.enums import (
    ChannelType,
    DisplayCapability,
    DisplayClientMessage,
    StreamFlags,
    SurfaceFlags,
    SurfaceFormat,
    VideoCodec,
)
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Rect
from spicetrio.wire.link import Capabilities
from spicetrio.wire.streamdevice import MAX_FRAME

if TYPE_CHECKING:
    from typing_extensions import Buffer

STREAMS: Final = 50
"""After so many formats the ids of streams come again (spec SD-4)."""
REPORT_WINDOW: Final = 5
"""Frames after which a viewer reports."""
REPORT_TIMEOUT: Final = 1000
"""Milliseconds after which a viewer reports."""
MAX_FRAMES: Final = 16
"""Frames that may wait for a viewer; their bytes are bounded by `Settings.queue_limit`."""
PATIENCE: Final = 1.0
"""Seconds after which a viewer that takes no frame is not waited for any more."""
RESTART_INTERVAL: Final = 2.0
"""Seconds that must pass before viewers that fell behind, or one that prefers other codecs, have the stream begin anew
again."""

CODEC_CAPABILITIES: Final[Mapping[VideoCodec, DisplayCapability]] = {
    VideoCodec.H265: DisplayCapability.CODEC_H265,
    VideoCodec.VP9: DisplayCapability.CODEC_VP9,
    VideoCodec.H264: DisplayCapability.CODEC_H264,
    VideoCodec.VP8: DisplayCapability.CODEC_VP8,
    VideoCodec.MJPEG: DisplayCapability.CODEC_MJPEG,
}
"""What a viewer says it can show; the newest first."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What the viewers of a `StreamDisplay` ask for. Each request is another one, if only by its number."""

    codecs: tuple[VideoCodec, ...] = ()
    """Those that all of them can show, what they prefer first; none while nobody is there."""
    number: int = 0
    """Grows with each request: the next frame is to stand alone, in one of these codecs."""


@dataclass(frozen=True, slots=True, eq=False)
class _Format:
    number: int
    codec: VideoCodec
    width: int
    height: int

    @property
    def stream_id(self) -> int:
        return self.number % STREAMS

    @property
    def area(self) -> Rect:
        return Rect(0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class _Frame:
    data: bytes
    alone: bool


class StreamDisplayChannelClient(PullingChannelClient["StreamDisplay"]):
    """One viewer of a stream display."""

    def __init__(self, channel: StreamDisplay, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self.codecs = _codecs(self.capabilities)
        """What this viewer can show."""
        self.preferred: tuple[int, ...] = ()
        """The codecs that it likes best, the first most."""
        self.watching = False
        """It has sent INIT."""
        self.follows = False
        """It has every frame since one that stood alone, or will get those that it has not."""
        self.waits_since: float | None = None
        """Since when it has taken no frame of those that wait for it; None if none do."""
        self._prefers_from = -math.inf
        self._area: Rect | None = None
        self._stream: _Format | None = None
        self._frames: deque[_Frame] = deque()
        self._bytes = 0

    @property
    def starves(self) -> bool:
        """It could be sent a frame, and there is none that it could begin with."""
        return self._credit and self.can_show and not self.follows

    @property
    def can_show(self) -> bool:
        """It is here, and knows the codec of the format."""
        shown = self.channel.format
        return self.watching and shown is not None and shown.codec in self.codecs

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Wait for DISPLAY_INIT; nobody else does."""
        self.writer.start_acks(self.settings.ack_window)
        try:
            yield
        finally:
            self.watching = False
            self.drop()
            self.channel.ask()

    def take(self, frame: _Frame) -> None:
        """Have a frame sent as soon as the connection takes it, if the viewer can make something of it."""
        if not self.can_show or not (frame.alone or self.follows):
            return
        if frame.alone:
            since = self.waits_since
            self.drop()
            self.waits_since, self.follows = since, True
        elif self._frames and (
            len(self._frames) >= MAX_FRAMES or self._bytes + len(frame.data) > self.settings.queue_limit
        ):
            self.drop()
            return
        if self.waits_since is None:
            self.waits_since = trio.current_time()
        self._frames.append(frame)
        self._bytes += len(frame.data)

    def drop(self) -> None:
        """Forget what waits; only a frame that stands alone is of use from now on."""
        self._frames.clear()
        self._bytes = 0
        self.waits_since = None
        self.follows = False

    def _lacking(self) -> list[Marshalled]:
        """Return what the viewer lacks of surface and stream, and one frame."""
        if not self.watching:
            return []
        messages: list[Message] = [*self._stream_changes()]
        if self._frames and self._stream is not None:
            frame = self._frames.popleft()
            self._bytes -= len(frame.data)
            now = trio.current_time()
            self.waits_since = now if self._frames else None
            self.channel.taken()
            # The time at which it is sent: viewers may drop what is late, as one would be that has waited here.
            messages.append(stream.StreamData(self._stream.stream_id, multimedia_time(now), frame.data))
        return [marshal(message) for message in messages]

    def _stream_changes(self) -> Iterator[Message]:
        """Yield the messages after which the viewer has the surface and the stream of the present format."""
        now = self.channel.format
        if self._stream is not None and self._stream is not now:
            yield stream.StreamDestroy(self._stream.stream_id)
            self._stream = None
        area = None if now is None else now.area
        if self._area is not None and self._area != area:
            yield display.SurfaceDestroy(PRIMARY)
        if area is not None and self._area != area:
            yield from self._surface(area)
        self._area = area
        if now is not None and self._stream is None and now.codec in self.codecs:
            yield from self._new_stream(now)
            self._stream = now

    def _surface(self, area: Rect) -> Iterator[Message]:
        # Not in STREAMING_MODE: viewers with windows then hand frames to a sink of their own, and without it show none.
        yield display.SurfaceCreate(PRIMARY, area.width, area.height, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY)
        yield DrawFill(DisplayBase(PRIMARY, area), Solid(0))
        if DisplayCapability.MONITORS_CONFIG in self.capabilities:
            yield display.MonitorsConfig(1, (display.Head(0, PRIMARY, area.width, area.height, 0, 0),))
        yield display.Mark()

    def _new_stream(self, shown: _Format) -> Iterator[Message]:
        size = (shown.width, shown.height)
        yield stream.StreamCreate(
            PRIMARY, shown.stream_id, StreamFlags.TOP_DOWN, shown.codec, 0, *size, *size, shown.area
        )
        if DisplayCapability.STREAM_REPORT in self.capabilities:
            yield stream.StreamActivateReport(shown.stream_id, shown.number, REPORT_WINDOW, REPORT_TIMEOUT)

    def _init(self, message: display.Init) -> None:
        if self.watching:
            raise RemoteProtocolError("got a second display INIT")
        self.watching = True
        if self.channel.last is not None:
            self.take(self.channel.last)
        self.catch_up()
        self.channel.ask(anew=True)

    def _report(self, message: stream.StreamReport) -> None:
        """Take in that the viewer cannot decode the stream; how it fares otherwise is seen by what it takes."""
        shown = self._stream
        if shown is None or message.unique_id != shown.number or shown.codec is VideoCodec.MJPEG:
            return
        if message.num_frames == 0 and message.num_drops == stream.CANNOT_DECODE:
            self.codecs -= {shown.codec}
            self.drop()
            self.channel.ask()

    async def _preferred_codecs(self, message: display.PreferredVideoCodecType) -> None:
        """Take in what the viewer likes best. As the stream restarts for all, one that soon changes its mind waits."""
        if message.codecs == self.preferred:
            return
        await trio.sleep_until(self._prefers_from)
        self._prefers_from = trio.current_time() + RESTART_INTERVAL
        self.preferred = message.codecs
        self.channel.ask()

    def _ignore(self, message: display.PreferredCompression) -> None:
        """No image is sent."""

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        DisplayClientMessage.INIT: Handler(display.Init, _init, 1024),
        DisplayClientMessage.STREAM_REPORT: Handler(stream.StreamReport, _report, 1024),
        DisplayClientMessage.PREFERRED_COMPRESSION: Handler(display.PreferredCompression, _ignore, 1024),
        DisplayClientMessage.GL_DRAW_DONE: Handler(display.GlDrawDone, ChannelClient._unexpected, 1024),
        DisplayClientMessage.PREFERRED_VIDEO_CODEC_TYPE: Handler(
            display.PreferredVideoCodecType, _preferred_codecs, 1024
        ),
    }


class StreamDisplay(Channel[StreamDisplayChannelClient]):
    """A display that is given encoded frames, from `Server.open_stream_display`. It has no size before its format."""

    TYPE = ChannelType.DISPLAY

    def __init__(self, channel_id: int, settings: Settings) -> None:
        super().__init__(channel_id, settings)
        self.cursor: Final[Cursor] = Cursor(channel_id, settings)
        """The pointer's shape and place on this display."""
        self.request: Final[AsyncValue[StreamRequest]] = AsyncValue(StreamRequest())
        """What the viewers ask for: whoever encodes begins anew when it changes, and stops while there is no codec."""
        self.format: _Format | None = None
        """What the frames are; None while viewers are shown nothing."""
        self.last: _Frame | None = None
        """The last frame, if it stands alone: what a new viewer can begin with."""
        self._formats = 0
        self._first = False
        self._asked = -math.inf
        self._room = trio.lowlevel.ParkingLot()

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return Capabilities(
            {
                DisplayCapability.MONITORS_CONFIG,
                DisplayCapability.STREAM_REPORT,
                DisplayCapability.PREF_VIDEO_CODEC_TYPE,
            }
        )

    def make_client(self, client: Client, link: Link) -> StreamDisplayChannelClient:
        """Make the object that serves one viewer."""
        return StreamDisplayChannelClient(self, client, link)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Take viewers while the block runs.

        Cancellation: ends the block, see `Channel.opened`.
        """
        try:
            async with super().opened():
                yield self
        finally:
            self._room.unpark_all()

    def set_format(self, codec: VideoCodec, width: int, height: int) -> None:
        """Begin a stream: the next frame stands alone, and has this codec and size. With another size, viewers resize.

        Frames of the stream before that still wait for a viewer are dropped.

        Args:
            codec: What the frames are encoded with. Viewers that cannot show it are shown nothing; `request` says
                which all of them can.
            width: In pixels, 1 to 8192.
            height: In pixels, 1 to 8192.

        Raises:
            ValueError: There is no such codec, or the size is out of range. The stream goes on.
            ClosedResourceError: The display is closed.
        """
        codec, width, height = VideoCodec(codec), index(width), index(height)
        if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
            raise ValueError(f"the frames are {width} x {height}, expected 1 x 1 to {MAX_SIZE} x {MAX_SIZE}")
        self._check_open()
        self._formats += 1
        self._change_format(_Format(self._formats, codec, width, height))
        self._first = True

    def clear(self) -> None:
        """End the stream; viewers are shown nothing until there is a format again."""
        self._change_format(None)

    async def write(self, frame: Buffer) -> None:
        """Show an encoded frame to all viewers.

        Waits until one of the viewers that get all frames has taken the one before: the fastest sets the pace, and one
        that takes nothing for a second sets none. A frame that still waits when the format changes is not shown.

        Args:
            frame: One whole frame in the codec of the format, at most 32 MiB; it is copied. H264 and H265 with start
                codes (Annex B), and what a decoder needs before its first frame in that frame.

        Cancellation: the frame is not written.

        Raises:
            ValueError: It is empty, or too large.
            LocalProtocolError: There is no format.
            ClosedResourceError: The display is closed.
        """
        await trio.lowlevel.checkpoint()
        shown = self.format
        if shown is None:
            raise LocalProtocolError("there is a frame, and no format before it")
        data = bytes(frame)
        if not 1 <= len(data) <= MAX_FRAME:
            raise ValueError(f"the frame has {len(data)} bytes, expected 1 to {MAX_FRAME}")
        self._check_open()
        while (until := self._busy_until()) > trio.current_time():
            with trio.move_on_at(until):
                await self._room.park()
            self._check_open()
        if self.format is shown:
            self._show(shown, data)

    def ask(self, *, anew: bool = False) -> None:
        """Change the request if viewers can show or prefer other codecs than before, or need the stream `anew`."""
        viewers = [client for client in self.clients if client.watching]
        codecs = [codec for codec in CODEC_CAPABILITIES if viewers and all(codec in one.codecs for one in viewers)]
        codecs.sort(key=lambda codec: sum(_rank(codec, one.preferred) for one in viewers))
        before = self.request.value
        if anew or tuple(codecs) != before.codecs:
            self._asked = trio.current_time()
            self.request.value = StreamRequest(tuple(codecs), before.number + 1)
        self._room.unpark_all()

    def taken(self) -> None:
        """A viewer has taken a frame: there may be room for another."""
        self._room.unpark_all()

    def _change_format(self, shown: _Format | None) -> None:
        self.format = shown
        self.last = None
        for client in self.clients:
            client.drop()
            client.catch_up()
        self._room.unpark_all()

    def _show(self, shown: _Format, data: bytes) -> None:
        frame = _Frame(data, alone=self._first or stands_alone(shown.codec, data))
        self._first = False
        self.last = frame if frame.alone else None
        for client in self.clients:
            client.take(frame)
            client.catch_up()
        if trio.current_time() - self._asked >= RESTART_INTERVAL and any(client.starves for client in self.clients):
            self.ask(anew=True)

    def _busy_until(self) -> float:
        """Return how long at most a frame has to wait for viewers; a time that has passed if it need not."""
        latest = -math.inf
        for client in self.clients:
            if client.follows:
                if client.waits_since is None:
                    return -math.inf
                latest = max(latest, client.waits_since + PATIENCE)
        return latest

    def _check_open(self) -> None:
        if not self._open:
            raise trio.ClosedResourceError("the display is closed")


def _codecs(capabilities: Capabilities) -> frozenset[VideoCodec]:
    """Return what a viewer can show: MJPEG always, and others if it says what it can."""
    if DisplayCapability.MULTI_CODEC not in capabilities:
        return frozenset({VideoCodec.MJPEG})
    return frozenset(
        codec
        for codec, capability in CODEC_CAPABILITIES.items()
        if capability in capabilities or codec is VideoCodec.MJPEG
    )


def _rank(codec: VideoCodec, preferred: tuple[int, ...]) -> int:
    return preferred.index(codec) if codec in preferred else len(preferred)
