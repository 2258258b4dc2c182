"""The playback channel: sound that the application makes, at every viewer that listens (spec 3.5).

Sound that comes late is worth nothing. So it waits for each viewer apart, and only so much of it: from a viewer whose
connection does not take it in time, the oldest is dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import trio
from trio_util import AsyncValue

from spicetrio.channels.clock import multimedia_time
from spicetrio.channels.sound import CHANNELS, SAMPLE_SIZE, Sound, SoundChannelClient
from spicetrio.codecs import opus
from spicetrio.server.channel import BASE_HANDLERS, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire import playback
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.enums import AudioDataMode, AudioFormat, ChannelType, PlaybackCapability
from spicetrio.wire.link import Capabilities

if TYPE_CHECKING:
    from typing_extensions import Buffer

logger: Final = logging.getLogger("spicetrio.playback")

LEAD: Final = 0.1
"""Seconds that may be sent before they are due."""
SILENCE: Final = 1.0
"""Seconds without sound after which viewers are told that it has ended."""
MOST_WAITING: Final = 20
"""Packets of 10 ms that may wait for a viewer."""
ACK_WINDOW: Final = 50
"""Packets a viewer may receive before it acknowledges. Two windows may be under way: one second, which is more than
the round trip of a satellite."""
_SAMPLE_FORMATS: Final = frozenset({"B", "b", "c", "h", "<h"})


@dataclass(frozen=True, slots=True)
class _Packet:
    """10 ms of sound."""

    mode: AudioDataMode
    time: int
    data: Marshalled


class PlaybackChannelClient(SoundChannelClient["Playback"]):
    """One viewer that listens."""

    HANDLERS: ClassVar[Mapping[int, Handler]] = BASE_HANDLERS

    def __init__(self, channel: Playback, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self.dropped = 0
        """Packets that were not sent, as newer ones came before the connection took them."""
        self._waiting: deque[_Packet] = deque()
        self._mode: AudioDataMode | None = None
        """What the viewer was told."""
        self._playing = False
        self._latency: int | None = None

    @property
    def mode(self) -> AudioDataMode:
        """How sound is to be packed for this viewer now."""
        wanted = self.channel.opus and self.channel.compression and PlaybackCapability.OPUS in self.capabilities
        return AudioDataMode.OPUS if wanted else AudioDataMode.RAW

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Listen; what was played before is not heard."""
        self.writer.start_acks(ACK_WINDOW)
        self.channel.listeners.value += 1
        try:
            yield
        finally:
            self.channel.listeners.value -= 1

    def hear(self, packet: _Packet) -> None:
        """Send a packet, or let it wait in the place of the oldest one."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(packet)
        self.catch_up()

    def _lacking(self) -> Sequence[Marshalled]:
        messages = self._lacking_mode(self.mode) if self._mode is None else []
        if PlaybackCapability.VOLUME in self.capabilities:
            messages += self._lacking_loudness(playback.Volume, playback.Mute)
        while self._waiting:
            packet = self._waiting.popleft()
            messages += self._lacking_start(packet)
            messages.append(packet.data)
        if self._playing and not self.channel.playing.value:
            self._playing = False
            messages.append(marshal(playback.Stop()))
        return messages + self._lacking_latency()

    def _lacking_mode(self, mode: AudioDataMode) -> list[Marshalled]:
        self._mode = mode
        return [marshal(playback.Mode(multimedia_time(trio.current_time()), mode))]

    def _lacking_start(self, packet: _Packet) -> list[Marshalled]:
        """Return what must go before a packet. Viewers make their decoders at START, so a new mode begins with one."""
        messages = []
        if packet.mode != self._mode:
            if self._playing:
                self._playing = False
                messages.append(marshal(playback.Stop()))
            messages += self._lacking_mode(packet.mode)
        if not self._playing:
            self._playing = True
            self._latency = None  # it ends with each START
            messages.append(marshal(playback.Start(CHANNELS, AudioFormat.S16, self.channel.rate, packet.time)))
        return messages

    def _lacking_latency(self) -> list[Marshalled]:
        latency = self.channel.latency
        if not self._playing or latency in (None, self._latency) or PlaybackCapability.LATENCY not in self.capabilities:
            return []
        self._latency = latency
        return [marshal(playback.Latency(latency))]


class Playback(Sound[PlaybackChannelClient]):
    """Sound for all viewers, from `Server.open_playback`: `await playback.write(samples)`.

    Each viewer hears what is written from when it comes. Viewers are told that sound begins with the first sample that
    is not silent, and that it ends when for a second there was silence, or nothing was written.
    """

    TYPE = ChannelType.PLAYBACK

    def __init__(self, settings: Settings, rate: int) -> None:
        super().__init__(settings, rate)
        self.listeners: Final[AsyncValue[int]] = AsyncValue(0)
        """How many viewers listen. While there are none, what is written costs next to nothing."""
        self.playing: Final[AsyncValue[bool]] = AsyncValue(False)
        """Whether there is sound now, as viewers are told."""
        self._compression = settings.playback_compression
        self._latency: int | None = None
        self._frame_size = rate // opus.FRAMES_PER_SECOND * SAMPLE_SIZE
        self._frame_seconds = self._frame_size / SAMPLE_SIZE / rate
        self._silent_frame = bytes(self._frame_size)
        self._encoder = opus.Encoder(rate) if self.opus else None
        self._turns = trio.StrictFIFOLock()
        self._rest = b""
        self._due = 0.0
        self._sounding = trio.CancelScope()
        if self._compression and not self.opus:
            logger.info("sound is sent raw: %s", _why_raw(rate))

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        able = {PlaybackCapability.VOLUME, PlaybackCapability.OPUS}
        return Capabilities(able if self.opus else able - {PlaybackCapability.OPUS})

    @property
    def compression(self) -> bool:
        """Whether sound is packed with Opus for viewers that can decode it; at first that of `Settings`.

        To set it takes effect with the next 10 ms.
        """
        return self._compression

    @compression.setter
    def compression(self, compression: bool) -> None:
        self._compression = bool(compression)

    @property
    def latency(self) -> int | None:
        """Milliseconds of sound that viewers are to keep waiting, at least; None leaves it to them.

        More helps against gaps on connections that are uneven. To set it takes effect as soon as viewers are told.

        Raises:
            ValueError: Set to less than 0 or more than 10000.
        """
        return self._latency

    @latency.setter
    def latency(self, latency: int | None) -> None:
        if latency is not None and not 0 <= latency <= 10_000:
            raise ValueError(f"latency is {latency}, expected 0 to 10000 ms")
        self._latency = latency
        self._catch_up()

    def make_client(self, client: Client, link: Link) -> PlaybackChannelClient:
        """Make the object that serves one viewer."""
        return PlaybackChannelClient(self, client, link)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Take viewers while the block runs.

        Cancellation: ends the block.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            async with super().opened():
                try:
                    yield self
                finally:
                    nursery.cancel_scope.cancel()

    async def write(self, samples: Buffer) -> None:
        """Let viewers hear something, after what was written before.

        It returns when all but the last 100 ms of it is due. So a program that writes in a loop plays at the right
        speed, and one that writes what it gets from a device hardly ever waits. No viewer is waited for.

        Args:
            samples: Signed 16-bit little-endian samples at `rate`, left and right by turns: bytes, an array such as
                numpy's int16, any contiguous buffer. It is sent in pieces of 10 ms; what is left over, be it half a
                sample, is sent with what comes next.

        Cancellation: what was due by then is heard, the rest is not. 10 ms or less are heard wholly or not at all.

        Raises:
            ValueError: The buffer holds something else.
            ClosedResourceError: The channel is closed.
        """
        data = _flat(samples)
        async with self._turns:
            data, self._rest = self._rest + data, b""
            whole = len(data) // self._frame_size * self._frame_size
            for start in range(0, whole, self._frame_size):
                await trio.sleep_until(self._due - LEAD)
                self._play(data[start : start + self._frame_size])
            self._rest = data[whole:]

    def _play(self, frame: bytes) -> None:
        if not self._open:
            raise trio.ClosedResourceError
        now = trio.current_time()
        due = max(self._due, now)
        self._due = due + self._frame_seconds
        if frame != self._silent_frame:
            self._sounding.deadline = self._due + SILENCE
            self.playing.value = True
        if self.playing.value:
            self._send(frame, multimedia_time(due))

    def _send(self, frame: bytes, time: int) -> None:
        """Send a frame to all, packed once for those that want it alike."""
        packets: dict[AudioDataMode, _Packet] = {}
        for client in self.clients:
            mode = client.mode
            if mode not in packets:
                data = self._encoder.encode(frame) if self._encoder and mode == AudioDataMode.OPUS else frame
                packets[mode] = _Packet(mode, time, marshal(playback.Data(time, data)))
            client.hear(packets[mode])

    async def _watch(self) -> None:
        """Tell viewers that sound has ended when there was none for a while."""
        while True:
            await self.playing.wait_value(True)
            await self._silence()
            self.playing.value = False
            self._catch_up()

    async def _silence(self) -> None:
        """Return when there was no sound for a while; every sound moves the deadline."""
        with self._sounding:
            await trio.sleep_forever()
        self._sounding = trio.CancelScope()


def _flat(samples: Buffer) -> bytes:
    """Return samples as bytes, which the caller cannot change any more."""
    view = memoryview(samples)
    if view.format not in _SAMPLE_FORMATS:
        raise ValueError(f"got items of format {view.format!r}, expected bytes or signed 16-bit samples")
    return view.tobytes()


def _why_raw(rate: int) -> str:
    if not opus.AVAILABLE:
        return "PyAV is not installed, which has Opus: pip install 'spicetrio[media]'"
    return f"Opus takes {', '.join(map(str, sorted(opus.RATES)))} samples in a second, not {rate}"
