"""Messages of the playback channel (spec 3.5). A client sends none but those of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from spicetrio.wire.base import Empty
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import PlaybackMessage
from spicetrio.wire.sound import SoundData, SoundMode, SoundMute, SoundVolume

_START: Final = Struct("<IHII")


@dataclass(frozen=True, slots=True)
class Data(SoundData):
    """A piece of sound."""

    TYPE: ClassVar = PlaybackMessage.DATA


@dataclass(frozen=True, slots=True)
class Mode(SoundMode):
    """How the sound that follows is packed. A client makes its decoder when it is told START."""

    TYPE: ClassVar = PlaybackMessage.MODE


@dataclass(frozen=True, slots=True)
class Start:
    """Sound begins."""

    TYPE: ClassVar = PlaybackMessage.START
    channels: int
    """2 for left and right."""
    format: int
    """An `AudioFormat`."""
    frequency: int
    """Samples of each channel in a second."""
    time: int
    """Milliseconds of the server's multimedia clock, modulo 2^32."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_START))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_START, self.channels, self.format, self.frequency, self.time)


@dataclass(frozen=True, slots=True)
class Stop(Empty):
    """Sound ends."""

    TYPE: ClassVar = PlaybackMessage.STOP


@dataclass(frozen=True, slots=True)
class Volume(SoundVolume):
    """How loud the client is to play."""

    TYPE: ClassVar = PlaybackMessage.VOLUME


@dataclass(frozen=True, slots=True)
class Mute(SoundMute):
    """Whether the client is to play nothing."""

    TYPE: ClassVar = PlaybackMessage.MUTE


@dataclass(frozen=True, slots=True)
class Latency:
    """How much sound the client is to keep waiting, at least. It counts until the next START."""

    TYPE: ClassVar = PlaybackMessage.LATENCY
    latency: int
    """In milliseconds."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the field."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the field."""
        buffer.u32(self.latency)


_SERVER: Final[tuple[type[Message], ...]] = (Data, Mode, Start, Stop, Volume, Mute, Latency)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _SERVER}
