"""What the playback and the record channel have in common: how loud it is, how it may be packed, that it fails alone.

Sound is interleaved stereo of signed 16-bit little-endian samples (spec A-1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import index
from typing import Any, ClassVar, Final, TypeVar

from spicetrio.channels.pulling import PullingChannelClient
from spicetrio.codecs import opus
from spicetrio.server.channel import Channel
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.wire.buffer import Marshalled, Message, marshal

CHANNELS: Final = 2
"""Left and right."""
SAMPLE_SIZE: Final = opus.SAMPLE_SIZE
"""Bytes of a sample of both."""
BEST_RATE: Final = 48000
"""Samples in a second that everybody can take."""
MIN_RATE: Final = 8000
MAX_RATE: Final = 192_000
LOUDEST: Final = 65535
"""The volume at which sound is as loud as it was made."""

SoundT = TypeVar("SoundT", bound="Sound[Any]")
SoundClientT = TypeVar("SoundClientT", bound=PullingChannelClient[Any])


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud viewers are to play or record."""

    volume: tuple[int, int] | None = None
    """Left and right; None if it was never set."""
    mute: bool = False


class SoundChannelClient(PullingChannelClient[SoundT]):
    """One viewer's connection to a channel of sound."""

    def __init__(self, channel: SoundT, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._loudness = Loudness()

    def _lacking_loudness(
        self, volume: Callable[[tuple[int, ...]], Message], mute: Callable[[bool], Message]
    ) -> list[Marshalled]:
        """Return what the viewer was not told of the volume (spec A-2).

        Args:
            volume: The message for the volume.
            mute: The message for silence.
        """
        now, before = self.channel.loudness, self._loudness
        self._loudness = now
        messages = []
        if now.volume is not None and now.volume != before.volume:
            messages.append(volume(now.volume))
        if now.mute != before.mute:
            messages.append(mute(now.mute))
        return [marshal(message) for message in messages]


class Sound(Channel[SoundClientT]):
    """A channel of sound.

    Args:
        settings: Those of the server.
        rate: Samples in a second, 8000 to 192000.

    Raises:
        ValueError: The rate is out of range.
    """

    ESSENTIAL = False
    OPUS_RATES: ClassVar[frozenset[int]] = opus.RATES
    """Samples in a second at which it can be packed with Opus."""

    def __init__(self, settings: Settings, rate: int) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(f"rate is {rate}, expected {MIN_RATE} to {MAX_RATE} samples in a second")
        super().__init__(0, settings)
        self.rate: Final[int] = index(rate)
        """Samples of each side in a second."""
        self.opus: Final[bool] = opus.AVAILABLE and rate in self.OPUS_RATES
        """It can be packed with Opus."""
        self.loudness = Loudness()

    @property
    def volume(self) -> tuple[int, int] | None:
        """How loud viewers are to be, left and right: 0 is silence, 65535 as loud as it was made. None leaves it to
        each of them, as at first.

        To set it takes effect as soon as viewers are told. It moves the slider that a viewer shows, so a person there
        may move it again. The samples are not changed here.

        Raises:
            ValueError: Set to something out of range.
        """
        return self.loudness.volume

    @volume.setter
    def volume(self, volume: tuple[int, int]) -> None:
        left, right = map(index, volume)
        if not (0 <= left <= LOUDEST and 0 <= right <= LOUDEST):
            raise ValueError(f"volume is {left}, {right}, expected two of 0 to {LOUDEST}")
        self._set_loudness(replace(self.loudness, volume=(left, right)))

    @property
    def mute(self) -> bool:
        """Whether there is to be silence, whatever the volume. To set it takes effect as for `volume`."""
        return self.loudness.mute

    @mute.setter
    def mute(self, mute: bool) -> None:
        self._set_loudness(replace(self.loudness, mute=bool(mute)))

    def _set_loudness(self, loudness: Loudness) -> None:
        self.loudness = loudness
        self._catch_up()

    def _catch_up(self) -> None:
        for client in self.clients:
            client.catch_up()
