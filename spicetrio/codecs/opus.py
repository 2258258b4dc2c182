"""Opus, around PyAV (extra `media`). Sound here is interleaved stereo of signed 16-bit little-endian samples.

Packets follow each other: what one decodes to depends on those before it. A decoder that joins later, or that
misses some, is right again after a few.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

AVAILABLE: Final = find_spec("av") is not None
"""PyAV is installed. It is imported when the first encoder or decoder is made, as that takes its time."""
RATES: Final = frozenset({8000, 12000, 16000, 24000, 48000})
"""Samples in a second that Opus takes (spec 3.5)."""
SAMPLE_SIZE: Final = 4
"""Bytes of a sample: two channels of 16 bits."""
FRAMES_PER_SECOND: Final = 100
"""Viewers expect no frame to be longer than 480 samples (spec A-1); 10 ms is that or less at every rate."""

_RATE: Final = 48000
_CODEC: Final = "libopus"


class Encoder:
    """Makes packets of frames of 10 ms.

    Args:
        rate: One of `RATES`.
    """

    def __init__(self, rate: int) -> None:
        import av

        self.frame_size: Final = rate // FRAMES_PER_SECOND * SAMPLE_SIZE
        """Bytes of a frame."""
        self._rate = rate
        self._make_frame = av.AudioFrame
        self._codec = av.AudioCodecContext.create(_CODEC, "w")
        self._codec.sample_rate = rate
        self._codec.layout = "stereo"
        self._codec.format = "s16"
        self._codec.options = {"frame_duration": str(1000 // FRAMES_PER_SECOND), "application": "audio"}

    def encode(self, frame: Buffer) -> bytes:
        """Return the packet of a frame.

        Raises:
            ValueError: The frame has another size.
        """
        samples = bytes(frame)
        if len(samples) != self.frame_size:
            raise ValueError(f"got a frame of {len(samples)} bytes, expected {self.frame_size}")
        sound = self._make_frame(format="s16", layout="stereo", samples=self.frame_size // SAMPLE_SIZE)
        sound.sample_rate = self._rate
        sound.planes[0].update(samples)
        (packet,) = self._codec.encode(sound)
        return bytes(packet)


class Decoder:
    """Makes sound of packets of any length that Opus has, up to 120 ms.

    Args:
        rate: Samples in a second of the sound that is made; one of `RATES`.
    """

    def __init__(self, rate: int) -> None:
        import av

        self._error = av.FFmpegError
        self._make_packet = av.Packet
        self._codec = av.AudioCodecContext.create(_CODEC, "r")
        self._codec.sample_rate = _RATE
        self._codec.layout = "stereo"
        self._resampler = None if rate == _RATE else av.AudioResampler("s16", "stereo", rate)

    def decode(self, packet: Buffer) -> bytes:
        """Return the sound of a packet.

        Raises:
            ValueError: It is no Opus packet. The decoder goes on with the next one.
        """
        data = bytes(packet)
        if not data:
            raise ValueError("got an empty packet, expected Opus")
        try:
            frames = self._codec.decode(self._make_packet(data))
        except self._error as error:
            raise ValueError(f"got {len(data)} bytes that are no Opus packet ({error.strerror})") from error
        if self._resampler is not None:
            frames = [resampled for frame in frames for resampled in self._resampler.resample(frame)]
        return b"".join(bytes(frame.planes[0])[: frame.samples * SAMPLE_SIZE] for frame in frames)
