"""The record channel: the microphones of viewers, heard while the application listens (spec 3.6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import trio
from trio_util import AsyncValue

from spicetrio.channels.sound import CHANNELS, SAMPLE_SIZE, Sound, SoundChannelClient
from spicetrio.codecs import opus
from spicetrio.server.channel import BASE_HANDLERS, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.server.tickets import Role
from spicetrio.wire import record
from spicetrio.wire.buffer import Marshalled, Message, marshal
from spicetrio.wire.enums import AudioDataMode, AudioFormat, ChannelType, RecordCapability, RecordClientMessage
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.link import Capabilities

SECONDS_WAITING: Final = 0.5
"""Sound that waits for who listens; of more, the oldest is dropped."""
MAX_DATA: Final = 64 * 1024
"""The largest piece of sound from a viewer, in bytes: a third of a second."""


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A piece of what a viewer's microphone has heard."""

    viewer: Client
    """Whose it is."""
    samples: bytes
    """Signed 16-bit little-endian samples at `Record.rate`, left and right by turns. Viewers choose the length; 10 ms
    are usual, and never more than a third of a second."""


class RecordChannelClient(SoundChannelClient["Record"]):
    """One viewer's microphone. That of a viewer that may only view is not asked for, and what it sends is not heard."""

    def __init__(self, channel: Record, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._controls = client.role is Role.CONTROL
        self._recording = self._asked = False
        self._decoder: opus.Decoder | None = None

    def _lacking(self) -> Sequence[Marshalled]:
        can_change = RecordCapability.VOLUME in self.capabilities
        messages = self._lacking_loudness(record.Volume, record.Mute) if can_change else []
        wanted = self._controls and self.channel.listening.value
        if wanted != self._recording:
            self._recording = wanted
            self._asked = self._asked or wanted
            start = record.Start(CHANNELS, AudioFormat.S16, self.channel.rate)
            messages.append(marshal(start if wanted else record.Stop()))
        return messages

    def _mode(self, message: record.Mode) -> None:
        if message.mode == AudioDataMode.OPUS and self.channel.opus:
            self._decoder = opus.Decoder(self.channel.rate)
        elif message.mode == AudioDataMode.RAW:
            self._decoder = None
        else:
            expected = f"{AudioDataMode.RAW}" + f" or {AudioDataMode.OPUS}" * self.channel.opus
            raise RemoteProtocolError(f"got sound of mode {message.mode}, expected {expected}")

    async def _data(self, message: record.Data) -> None:
        await trio.lowlevel.checkpoint()  # to decode takes its time, and many may have come at once
        if not self._controls:
            return
        if not self._asked:
            raise RemoteProtocolError("got sound from a viewer that was not asked to record")
        if not self.channel.listening.value:
            return  # it was on its way when STOP was sent
        if samples := self._samples(bytes(message.data)):
            self.channel.put(RecordedFrame(self.client, samples))

    def _samples(self, data: bytes) -> bytes:
        if self._decoder is not None:
            try:
                return self._decoder.decode(data)
            except ValueError as error:
                raise RemoteProtocolError(str(error)) from error
        if len(data) % SAMPLE_SIZE:
            raise RemoteProtocolError(f"got {len(data)} bytes of raw sound, expected a multiple of {SAMPLE_SIZE}")
        return data

    def _start_mark(self, message: Message) -> None:
        """Sound begins; whose it is and when it comes is all that counts here."""

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        RecordClientMessage.DATA: Handler(record.Data, _data, MAX_DATA),
        RecordClientMessage.MODE: Handler(record.Mode, _mode, 1024),
        RecordClientMessage.START_MARK: Handler(record.StartMark, _start_mark, 64),
    }


class Recording:
    """What is heard, from `Record.listen`: `async for frame in recording`."""

    def __init__(self, rate: int) -> None:
        self.lost = 0
        """Frames that were dropped because nobody took them in time."""
        self._most_bytes = int(SECONDS_WAITING * rate) * SAMPLE_SIZE
        self._frames: deque[RecordedFrame] = deque()
        self._bytes = 0
        self._filled = trio.lowlevel.ParkingLot()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordedFrame:
        """Return the next frame.

        Cancellation: no frame is lost.
        """
        await trio.lowlevel.checkpoint()
        while not self._frames:
            await self._filled.park()
        return self._take()

    def put(self, frame: RecordedFrame) -> None:
        """Leave a frame; the oldest go if too much waits."""
        self._frames.append(frame)
        self._bytes += len(frame.samples)
        while self._bytes > self._most_bytes and len(self._frames) > 1:
            self._take()
            self.lost += 1
        self._filled.unpark()

    def _take(self) -> RecordedFrame:
        frame = self._frames.popleft()
        self._bytes -= len(frame.samples)
        return frame


class Record(Sound[RecordChannelClient]):
    """The microphones of all viewers that may control, from `Server.open_record`.

    Viewers record only while the application listens::

        with record.listen() as recording:
            async for frame in recording:
                ...
    """

    TYPE = ChannelType.RECORD
    OPUS_RATES = opus.RATES - {16000}
    """Viewers pack 480 samples at a time, whatever the rate. At this one that is 30 ms, which no Opus packet holds."""

    def __init__(self, settings: Settings, rate: int) -> None:
        super().__init__(settings, rate)
        self.listening: Final[AsyncValue[bool]] = AsyncValue(False)
        """Whether viewers record now."""
        self._recordings: list[Recording] = []

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        able = {RecordCapability.VOLUME, RecordCapability.OPUS}
        return Capabilities(able if self.opus else able - {RecordCapability.OPUS})

    def make_client(self, client: Client, link: Link) -> RecordChannelClient:
        """Make the object that serves one viewer."""
        return RecordChannelClient(self, client, link)

    @contextmanager
    def listen(self) -> Iterator[Recording]:
        """Have viewers record while the block runs, those that come meanwhile as well.

        While nobody takes frames, half a second of them waits; of more the oldest is dropped. Blocks may overlap: each
        gets everything that is recorded in it.
        """
        recording = Recording(self.rate)
        self._recordings.append(recording)
        self._update()
        try:
            yield recording
        finally:
            self._recordings.remove(recording)
            self._update()

    def put(self, frame: RecordedFrame) -> None:
        """Leave a frame for all who listen."""
        for recording in self._recordings:
            recording.put(frame)

    def _update(self) -> None:
        self.listening.value = bool(self._recordings)
        self._catch_up()
