"""What the messages of the playback and the record channel have in common (spec 3.5, 3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MODE: Final = Struct("<IH")


@dataclass(frozen=True, slots=True)
class SoundData:
    """Base of the messages that carry sound."""

    time: int
    """When it is to be heard, or was recorded: milliseconds of the sender's multimedia clock, modulo 2^32."""
    data: Buffer
    """The sound, packed as the last mode message said."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32(), bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.time)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class SoundMode:
    """Base of the messages that say how the sound which follows is packed."""

    time: int
    """Milliseconds of the sender's multimedia clock, modulo 2^32."""
    mode: int
    """An `AudioDataMode`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order. Data that may follow has no meaning for any mode that is still in use."""
        return cls(*buffer.unpack(_MODE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MODE, self.time, self.mode)


@dataclass(frozen=True, slots=True)
class SoundVolume:
    """Base of the messages that set how loud each channel is."""

    volume: tuple[int, ...]
    """For each channel, left before right: 0 is silence, 65535 as loud as it was made."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the count and the fields."""
        return cls(buffer.items(buffer.u8(), ReadBuffer.u16, 2))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the count and the fields."""
        buffer.u8(len(self.volume))
        for volume in self.volume:
            buffer.u16(volume)


@dataclass(frozen=True, slots=True)
class SoundMute:
    """Base of the messages that switch sound off and on, whatever its volume."""

    mute: bool
    """It is off."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the field."""
        return cls(bool(buffer.u8()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the field."""
        buffer.u8(self.mute)
