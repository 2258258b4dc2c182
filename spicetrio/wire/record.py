"""Messages of the record channel (spec 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from spicetrio.wire.base import Empty
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import RecordClientMessage, RecordMessage
from spicetrio.wire.sound import SoundData, SoundMode, SoundMute, SoundVolume

_START: Final = Struct("<IHI")


@dataclass(frozen=True, slots=True)
class Start:
    """The client is to record."""

    TYPE: ClassVar = RecordMessage.START
    channels: int
    """2 for left and right."""
    format: int
    """An `AudioFormat`."""
    frequency: int
    """Samples of each channel in a second."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_START))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_START, self.channels, self.format, self.frequency)


@dataclass(frozen=True, slots=True)
class Stop(Empty):
    """The client is to record no more. What it sent before it knew may still come."""

    TYPE: ClassVar = RecordMessage.STOP


@dataclass(frozen=True, slots=True)
class Volume(SoundVolume):
    """How loud the client is to record."""

    TYPE: ClassVar = RecordMessage.VOLUME


@dataclass(frozen=True, slots=True)
class Mute(SoundMute):
    """Whether the client is to record silence."""

    TYPE: ClassVar = RecordMessage.MUTE


@dataclass(frozen=True, slots=True)
class Data(SoundData):
    """A piece of recorded sound."""

    TYPE: ClassVar = RecordClientMessage.DATA


@dataclass(frozen=True, slots=True)
class Mode(SoundMode):
    """How the sound that follows is packed; raw before the first of these."""

    TYPE: ClassVar = RecordClientMessage.MODE


@dataclass(frozen=True, slots=True)
class StartMark:
    """Recording begins."""

    TYPE: ClassVar = RecordClientMessage.START_MARK
    time: int
    """Milliseconds of the client's clock, modulo 2^32."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the field."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the field."""
        buffer.u32(self.time)


_SERVER: Final[tuple[type[Message], ...]] = (Start, Stop, Volume, Mute)
_CLIENT: Final[tuple[type[Message], ...]] = (Data, Mode, StartMark)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _SERVER}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _CLIENT}
